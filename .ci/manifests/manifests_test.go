// Package manifests holds what the program prints, and the files beside it, to the types of those
// who read them. It is a module of its own, so that the program does not depend on them.
package manifests

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

// program is the binary under test.
func program(t *testing.T) string {
	t.Helper()
	file := os.Getenv("RECALLBOT")
	if file == "" {
		t.Fatal("RECALLBOT names no binary")
	}
	return file
}

// TestKubernetes: each document decodes strictly into its type, and the deployment is narrow.
func TestKubernetes(t *testing.T) {
	out, err := exec.Command(program(t), "manifest", "kubernetes").Output()
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]func() any{
		"Deployment": func() any { return &apps.Deployment{} }, "Service": func() any { return &core.Service{} },
		"Secret": func() any { return &core.Secret{} }, "ConfigMap": func() any { return &core.ConfigMap{} },
		"PodDisruptionBudget": func() any { return &policy.PodDisruptionBudget{} },
	}
	var seen []string
	for doc := range bytes.SplitSeq(out, []byte("\n---\n")) {
		var is struct{ Kind string }
		if err := yaml.Unmarshal(doc, &is); err != nil {
			t.Fatal(err)
		}
		seen = append(seen, is.Kind)
		typed, known := types[is.Kind]
		if !known {
			t.Fatalf("a document of kind %q:\n%s", is.Kind, doc)
		}
		into := typed()
		if err := yaml.UnmarshalStrict(doc, into); err != nil {
			t.Errorf("%s: %v", is.Kind, err)
		}
		if d, ok := into.(*apps.Deployment); ok {
			checkDeployment(t, d)
		}
	}
	slices.Sort(seen)
	want := []string{"ConfigMap", "Deployment", "PodDisruptionBudget", "Secret", "Service"}
	if !slices.Equal(seen, want) {
		t.Errorf("documents %q, want %q", seen, want)
	}
}

func checkDeployment(t *testing.T, d *apps.Deployment) {
	t.Helper()
	pod := d.Spec.Template.Spec
	c := pod.Containers[0]
	switch s := c.SecurityContext; {
	case *d.Spec.Replicas != 3:
		t.Errorf("%d replicas", *d.Spec.Replicas)
	case !*pod.SecurityContext.RunAsNonRoot,
		pod.SecurityContext.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault:
		t.Errorf("the pod's security context is %+v", pod.SecurityContext)
	case !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation,
		!slices.Equal(s.Capabilities.Drop, []core.Capability{"ALL"}):
		t.Errorf("the container's security context is %+v", s)
	case c.LivenessProbe.HTTPGet.Path != "/healthz" || c.ReadinessProbe.HTTPGet.Path != "/readyz":
		t.Error("the probes ask elsewhere")
	}
}

// TestCompose: the file decodes as Compose reads it, with and without PostgreSQL.
func TestCompose(t *testing.T) {
	dir := t.TempDir()
	body, err := os.ReadFile("../../compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"compose.yaml": body, ".env": []byte("CHAT_SDK_APP_ID=1\n")} {
		if err := os.WriteFile(dir+"/"+name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, profiles := range [][]string{nil, {"postgres"}} {
		o, err := cli.NewProjectOptions([]string{dir + "/compose.yaml"}, cli.WithWorkingDirectory(dir),
			cli.WithProfiles(profiles), cli.WithName("recallbot"))
		if err != nil {
			t.Fatal(err)
		}
		p, err := o.LoadProject(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		bot := p.Services["recallbot"]
		if admin := bot.Environment["ADMIN_ADDR"]; admin == nil || *admin != ":9090" {
			t.Errorf("ADMIN_ADDR is not one of the network's: %v", admin)
		}
		for _, port := range bot.Ports {
			if port.Target == 9090 {
				t.Error("the metrics are published to the host")
			}
		}
		if _, there := p.Services["postgres"]; there != (profiles != nil) {
			t.Errorf("with the profiles %q there is PostgreSQL: %t", profiles, there)
		}
	}
}
