# What holds a pod's namespaces open, and makes and removes the folders of its volumes.
FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
ENTRYPOINT ["/bin/sleep", "infinity"]
