{{/* Names, labels and images. */}}

{{/* The release's name where it says warren already, else <release>-warren. */}}
{{- define "warren.fullname" -}}
{{- if contains "warren" .Release.Name -}}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}{{ printf "%s-warren" .Release.Name | trunc 40 | trimSuffix "-" }}{{- end -}}
{{- end }}

{{/* What a Deployment or Service selects by: (list $ component). It must never change. */}}
{{- define "warren.selector" -}}
app.kubernetes.io/name: warren
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* The labels of a resource: (list $ component). Pods carry only the selector: a new version must not restart those
     that did not change. */}}
{{- define "warren.labels" -}}
{{ include "warren.selector" . }}
app.kubernetes.io/part-of: warren
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ printf "%s-%s" (index . 0).Chart.Name (index . 0).Chart.Version }}
{{- end }}

{{/* The reference of one of Warren's own images: (list $ component). */}}
{{- define "warren.image" -}}
{{- $image := (index . 0).Values.image -}}
{{- with index $image.own (index . 1) }}{{ . }}{{ else -}}
{{- with $image.registry }}{{ trimSuffix "/" . }}/{{ end -}}
warren-{{ index . 1 }}:{{ $image.tag | default (index . 0).Chart.AppVersion }}
{{- end }}
{{- end }}

{{- define "warren.secret" -}}
{{ .Values.credentials.existingSecret | default (printf "%s-credentials" (include "warren.fullname" .)) }}
{{- end }}

{{/* The Secret with the entries of the API keys, for the producers and the system pool. */}}
{{- define "warren.keys" -}}
{{ .Values.producer.keys.secret | default (printf "%s-keys" (include "warren.fullname" .)) }}
{{- end }}

{{/* The accounts of RabbitMQ, one per component: warren.topology.users(). */}}
{{- define "warren.users" -}}
warren-topology warren-producer warren-consumer warren-system warren-operator warren-monitor
{{- end }}

{{/* One pool with all its settings, as YAML: (list $ name). */}}
{{- define "warren.pool" -}}
{{- $values := (index . 0).Values -}}
{{- $own := index $values.pools (index . 1) | default dict -}}
{{- $pool := mergeOverwrite (deepCopy $values.poolDefaults) (deepCopy $own) -}}
{{- if hasKey $own "target" }}{{ $_ := set $pool "target" $own.target }}{{ end -}}
{{- toYaml $pool -}}
{{- end }}

{{/* The enabled pools in the form of WARREN_POOLS: `cpu train-cpu:train stone:foreign`. */}}
{{- define "warren.pools" -}}
{{- $words := list -}}
{{- range $name := keys .Values.pools | sortAlpha -}}
{{- $pool := include "warren.pool" (list $ $name) | fromYaml -}}
{{- $word := eq $pool.kind "serve" | ternary $name (printf "%s:%s" $name $pool.kind) -}}
{{- if $pool.enabled }}{{ $words = append $words ($pool.foreign | ternary (printf "%s:foreign" $word) $word) }}{{ end -}}
{{- end -}}
{{- join " " $words -}}
{{- end }}
