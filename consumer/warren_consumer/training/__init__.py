"""Training: the `train` task, its child process and the trainers.

`handler` runs in the consumer and does all I/O; it starts `child` as a process of its own for every run, and that loads
the trainer (entry-point group `warren.trainers`). So a trainer's libraries never enter the consumer, and a run that
crashes or hogs the interpreter costs no heartbeat.

Forbidden here: scikit-learn, skl2onnx, onnx and pyarrow outside the modules that only the child imports (`sklearn`,
`export`, `estimators`, `survey`, `table`); the broker; the records.
"""
