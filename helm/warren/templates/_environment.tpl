{{/* The environment of Warren's own pods. WARREN_* are the fields of each component's settings class; a password is a
     variable of another name, which Kubernetes puts into the URL. */}}

{{- define "warren.env.log" -}}
- {name: WARREN_LOG_LEVEL, value: {{ .Values.logLevel }}}
{{- end }}

{{- define "warren.env.pools" -}}
- {name: WARREN_POOLS, value: {{ include "warren.pools" . | quote }}}
{{- end }}

{{- define "warren.broker.host" -}}
{{- if .Values.rabbitmq.bundled -}}
{{ include "warren.fullname" . }}-rabbitmq
{{- else -}}
{{ required "rabbitmq.external.host: name your broker, or set rabbitmq.bundled to true" .Values.rabbitmq.external.host }}
{{- end -}}
{{- end }}

{{/* The port of the broker's plugin rabbitmq_prometheus. */}}
{{- define "warren.broker.metricsPort" -}}
{{- ternary 15692 (int .Values.rabbitmq.external.metricsPort) .Values.rabbitmq.bundled -}}
{{- end }}

{{/* The broker as one of its users: (list $ user). */}}
{{- define "warren.env.broker" -}}
{{- $root := index . 0 -}}
{{- $external := ternary dict $root.Values.rabbitmq.external $root.Values.rabbitmq.bundled -}}
- name: BROKER_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ include "warren.secret" $root }}, key: {{ index . 1 }}}}
- name: WARREN_BROKER_URL
  value: {{ printf "%s://%s:$(BROKER_PASSWORD)@%s:%d/%s" (ternary "amqps" "amqp" (default false $external.tls)) (index . 1)
    (include "warren.broker.host" $root) (int ($external.port | default 5672)) ($external.vhost | default "/" | replace "/" "%2F") | quote }}
{{- end }}

{{/* The broker's management API, after warren.env.broker: (list $ user). */}}
{{- define "warren.env.management" -}}
{{- $root := index . 0 -}}
{{- $external := ternary dict $root.Values.rabbitmq.external $root.Values.rabbitmq.bundled -}}
- name: WARREN_BROKER_MANAGEMENT_URL
  value: {{ printf "%s://%s:$(BROKER_PASSWORD)@%s:%d" (ternary "https" "http" (default false $external.tls)) (index . 1)
    (include "warren.broker.host" $root) (int ($external.managementPort | default 15672)) | quote }}
{{- end }}

{{- define "warren.env.records" -}}
- {name: WARREN_RESULT_TTL_SECONDS, value: {{ int64 .Values.resultTtlSeconds | quote }}}
{{ if .Values.valkey.bundled -}}
- name: RECORDS_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ include "warren.secret" . }}, key: valkey}}
- name: WARREN_RECORDS_URL
  value: redis://:$(RECORDS_PASSWORD)@{{ include "warren.fullname" . }}-valkey:6379/0
{{- else -}}
- name: WARREN_RECORDS_URL
  valueFrom:
    secretKeyRef:
      name: {{ required "valkey.external.existingSecret: name the Secret with your store's url, or set valkey.bundled to true" .Values.valkey.external.existingSecret }}
      key: url
{{- end }}
{{- end }}

{{/* Object storage: Warren's bucket, and the AWS SDK's own variables (boto3 reads AWS_DEFAULT_REGION, others AWS_REGION). */}}
{{- define "warren.env.storage" -}}
- {name: WARREN_STORAGE_BUCKET, value: {{ .Values.s3.bucket | quote }}}
{{- with .Values.s3.readPrefixes }}
- {name: WARREN_STORAGE_READ_PREFIXES, value: {{ join " " . | quote }}}
{{- end }}
- {name: AWS_REGION, value: {{ .Values.s3.region | quote }}}
- {name: AWS_DEFAULT_REGION, value: {{ .Values.s3.region | quote }}}
{{- if .Values.s3.bundled.enabled }}
- {name: AWS_ENDPOINT_URL_S3, value: "http://{{ include "warren.fullname" . }}-s3:7070"}
- name: AWS_ACCESS_KEY_ID
  valueFrom: {secretKeyRef: {name: {{ include "warren.secret" . }}, key: s3-access-key}}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ include "warren.secret" . }}, key: s3-secret-key}}
{{- else }}
{{- with .Values.s3.endpointUrl }}
- {name: AWS_ENDPOINT_URL_S3, value: {{ . | quote }}}
{{- end }}
{{- with .Values.s3.existingSecret }}
- name: AWS_ACCESS_KEY_ID
  valueFrom: {secretKeyRef: {name: {{ . }}, key: AWS_ACCESS_KEY_ID}}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ . }}, key: AWS_SECRET_ACCESS_KEY}}
{{- end }}
{{- end }}
{{- end }}
