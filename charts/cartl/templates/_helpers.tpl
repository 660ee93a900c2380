{{- define "cartl.name" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name }}{{ .Release.Name }}{{ else }}{{ printf "%s-%s" .Release.Name $name }}{{ end -}}
{{- end }}

{{- define "cartl.selector" -}}
app.kubernetes.io/name: cartl
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "cartl.labels" -}}
{{ include "cartl.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The name of an image: (list root image). */}}
{{- define "cartl.image" -}}
{{- $root := index . 0 -}}{{- $image := index . 1 -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ default $root.Chart.AppVersion $image.tag }}
{{- end -}}
{{- end }}

{{/* The volume `data`: shared, or each pod's own where files lie in a bucket. */}}
{{- define "cartl.data" -}}
{{- if .Values.objectStore.url -}}
emptyDir: {}
{{- else -}}
persistentVolumeClaim: {claimName: {{ include "cartl.claim" . }}}
{{- end -}}
{{- end }}

{{- define "cartl.claim" -}}
{{ default (printf "%s-data" (include "cartl.name" .)) .Values.storage.existingClaim }}
{{- end }}

{{/* What every process is told. Plain settings come after it, so (list root settings). */}}
{{- define "cartl.environment" -}}
{{- $root := index . 0 -}}{{- $settings := index . 1 -}}
- name: CARTL_DATABASE_URL
  valueFrom:
    secretKeyRef: {{ toJson $root.Values.database.urlFrom }}
- name: CARTL_BROKER_URL
  valueFrom:
    secretKeyRef: {{ toJson $root.Values.broker.urlFrom }}
- {name: CARTL_DATA_DIR, value: /var/lib/cartl}
- {name: CARTL_LOG_FORMAT, value: json}
- {name: CARTL_STOP_GRACE_SECONDS, value: {{ $root.Values.stopGraceSeconds | toString | quote }}}
{{- with $root.Values.objectStore }}
{{- if .url }}
- {name: CARTL_STORE, value: {{ .url | quote }}}
- {name: AWS_ENDPOINT_URL, value: {{ .endpoint | quote }}}
- {name: AWS_REGION, value: {{ .region | quote }}}
- name: AWS_ACCESS_KEY_ID
  valueFrom:
    secretKeyRef: {name: {{ .credentialsFrom }}, key: access-key-id}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom:
    secretKeyRef: {name: {{ .credentialsFrom }}, key: secret-access-key}
{{- end }}
{{- end }}
{{- range $name, $from := $root.Values.secretSettings }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef: {{ toJson $from }}
{{- end }}
{{- range $name, $value := merge (deepCopy $settings) $root.Values.settings }}
- {name: {{ $name }}, value: {{ include "cartl.plain" $value | quote }}}
{{- end }}
{{- end }}

{{/* Helm reads numbers as floating point: a whole one is written without an exponent. */}}
{{- define "cartl.plain" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ int64 . }}{{ else }}{{ toString . }}{{ end -}}
{{- end }}

{{/* Of every pod: no root, no token of the cluster. */}}
{{- define "cartl.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
{{- end }}

{{/* Of every container: nothing is written outside of its volumes. */}}
{{- define "cartl.container" -}}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* Spread over hosts where that is possible: (list root component). */}}
{{- define "cartl.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "cartl.selector" (index . 0) | nindent 8 }}
        app.kubernetes.io/component: {{ index . 1 }}
{{- end }}
