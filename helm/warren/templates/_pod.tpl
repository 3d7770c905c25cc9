{{/* Parts of pods. All of them satisfy the Pod Security level `restricted` with a read-only root. */}}

{{/* The head of every pod's spec: (list $ uid), for consumers (list $ uid priorityClassName). */}}
{{- define "warren.pod" -}}
enableServiceLinks: false
{{- with eq (len .) 3 | ternary (last .) (index . 0).Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ index . 1 }}
  runAsGroup: {{ index . 1 }}
  fsGroup: {{ index . 1 }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with (index . 0).Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/* What a pod without rights in the cluster has. */}}
{{- define "warren.powerless" -}}
serviceAccountName: {{ include "warren.fullname" . }}
automountServiceAccountToken: false
{{- end }}

{{/* The head of every container: (list $ image). */}}
{{- define "warren.container" -}}
image: {{ index . 1 }}
imagePullPolicy: {{ (index . 0).Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* Where API keys are on: the folder with their entries. */}}
{{- define "warren.keys.mount" -}}
{{- if .Values.producer.keys.enabled -}}
- {name: keys, mountPath: /etc/warren/keys, readOnly: true}
{{- end }}
{{- end }}

{{- define "warren.keys.volume" -}}
{{- if .Values.producer.keys.enabled -}}
# Optional: without the Secret the pods start, refuse everybody, and take the keys as soon as there are some.
- {name: keys, secret: {secretName: {{ include "warren.keys" . }}, optional: true, defaultMode: 0440}}
{{- end }}
{{- end }}

{{/* Annotations by which a Prometheus finds a pod's metrics: the port. */}}
{{- define "warren.scraped" -}}
prometheus.io/scrape: "true"
prometheus.io/port: {{ . | quote }}
prometheus.io/path: /metrics
{{- end }}

{{/* A volume claim of a StatefulSet: (list $ name persistence). It outlives the release. */}}
{{- define "warren.claim" -}}
{{- $persistence := index . 2 -}}
- metadata:
    name: {{ index . 1 }}
  spec:
    accessModes: [ReadWriteOnce]
    {{- with $persistence.storageClass }}
    storageClassName: {{ . }}
    {{- end }}
    resources: {requests: {storage: {{ $persistence.size }}}}
{{- end }}
