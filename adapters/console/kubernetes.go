package console

import (
	"flag"
	"fmt"
	"strings"

	"recallbot/config"
)

// Kubernetes is the command manifest kubernetes: several replicas on one PostgreSQL database. What
// is to be configured comes from the table of variables.
func Kubernetes(table []config.Variable) Manifest {
	return Manifest{Word: "kubernetes", Short: "Print a deployment of three replicas on PostgreSQL",
		Flags: func(flags *flag.FlagSet) func() (string, error) {
			image := flags.String("image", "registry.example.com/recallbot:v1", "run this `IMAGE`")
			return func() (string, error) {
				return strings.NewReplacer("{image}", *image, "{secrets}", lines(table, true), "{settings}",
					lines(table, false)).Replace(kubernetes), nil
			}
		}}
}

// lines are the variables that are secrets, or those that are not, as lines of a map in YAML. One
// that has a default, or need not be set, is a comment.
func lines(table []config.Variable, secret bool) string {
	var b strings.Builder
	for _, v := range table {
		if v.Secret != secret {
			continue
		}
		value, comment := v.Default, "# "
		switch {
		case v.Name == "DATABASE_URL":
			value, comment = "postgres://recallbot:PASSWORD@postgres:5432/recallbot", ""
		case v.Name == "ADMIN_ADDR": // Prometheus asks from elsewhere in the cluster
			value, comment = ":9090", ""
		case strings.HasPrefix(v.Required, "required"):
			comment = ""
		}
		fmt.Fprintf(&b, "  # %s\n  %s%s: %q\n", oneLine(v), comment, v.Name, value)
	}
	return b.String()
}

// oneLine is what a variable means, and whether it must be set.
func oneLine(v config.Variable) string {
	meaning := strings.Join(strings.Fields(v.Meaning), " ")
	if v.Required != "" {
		meaning += " (" + v.Required + ")"
	}
	return meaning
}

// kubernetes is the deployment. A replica is ready when /readyz says so; one is replaced after the
// other; SIGTERM gives each 10 s to finish.
const kubernetes = `# kubectl apply -f recallbot.yaml, once the values below are filled in (README.md, "On Kubernetes").
apiVersion: v1
kind: Secret
metadata:
  name: recallbot
stringData:
{secrets}---
apiVersion: v1
kind: ConfigMap
metadata:
  name: recallbot
data:
{settings}---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: recallbot
  labels: {app: recallbot}
spec:
  replicas: 3
  selector:
    matchLabels: {app: recallbot}
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxSurge: 0, maxUnavailable: 1}
  template:
    metadata:
      labels: {app: recallbot}
      annotations:
        prometheus.io/scrape: "true"
        prometheus.io/port: "9090"
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 15
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        runAsGroup: 65532
        seccompProfile: {type: RuntimeDefault}
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: kubernetes.io/hostname
        whenUnsatisfiable: ScheduleAnyway
        labelSelector:
          matchLabels: {app: recallbot}
      containers:
      - name: recallbot
        image: {image}
        envFrom:
        - configMapRef: {name: recallbot}
        - secretRef: {name: recallbot}
        ports:
        - {name: http, containerPort: 8080}
        - {name: metrics, containerPort: 9090}
        livenessProbe:
          httpGet: {path: /healthz, port: http}
          periodSeconds: 10
          failureThreshold: 6
        readinessProbe:
          httpGet: {path: /readyz, port: http}
          periodSeconds: 5
          timeoutSeconds: 3
        resources:
          requests: {cpu: 50m, memory: 64Mi}
          limits: {memory: 256Mi}
        securityContext:
          allowPrivilegeEscalation: false
          readOnlyRootFilesystem: true
          capabilities: {drop: [ALL]}
---
apiVersion: v1
kind: Service
metadata:
  name: recallbot
  labels: {app: recallbot}
spec:
  selector: {app: recallbot}
  ports:
  - {name: http, port: 80, targetPort: http}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: recallbot
spec:
  maxUnavailable: 1
  selector:
    matchLabels: {app: recallbot}
`
