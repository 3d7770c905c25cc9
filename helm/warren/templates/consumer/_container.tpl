{{/* What the consumers of pools and the system pool's have in common. */}}

{{/* (list $ user) */}}
{{- define "warren.env.consumer" -}}
{{- $root := index . 0 -}}
- {name: WARREN_METRICS_PORT, value: "8001"}
# A container sees all cores of its node.
- {name: WARREN_CPUS, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
{{ include "warren.env.log" $root }}
{{ include "warren.env.pools" $root }}
{{ include "warren.env.broker" . }}
{{ include "warren.env.records" $root }}
{{ include "warren.env.storage" $root }}
{{- end }}

{{/* Ports, probes, resources and mounts: the resources. */}}
{{- define "warren.consumer.rest" -}}
ports:
  - {name: metrics, containerPort: 8001}
startupProbe: {httpGet: {path: /healthz, port: metrics}, periodSeconds: 1, failureThreshold: 120}
readinessProbe: {httpGet: {path: /readyz, port: metrics}, periodSeconds: 5, timeoutSeconds: 3}
livenessProbe: {httpGet: {path: /healthz, port: metrics}, periodSeconds: 20, timeoutSeconds: 5, failureThreshold: 6}
resources: {{- toYaml . | nindent 2 }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
{{- end }}
