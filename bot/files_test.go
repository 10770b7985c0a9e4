package bot_test

import (
	"go/types"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/tools/go/packages"
)

// TestFiles holds the arrows between the files of a package: they run one way. A file that uses a
// function, type, constant or variable of another, or a method of a type of its own package that
// stands in another, points to it. Where some files point to each other in a circle, none of them
// can be read first.
func TestFiles(t *testing.T) {
	for _, p := range load(t) {
		arrows := fileArrows(p)
		if len(arrows) < 3 {
			t.Errorf("%s: only %d of its files use others: this test sees nothing", p.PkgPath, len(arrows))
		}
		for _, from := range slices.Sorted(maps.Keys(arrows)) {
			for _, to := range slices.Sorted(maps.Keys(arrows[from])) {
				if reaches(arrows, to, from, map[string]bool{}) {
					t.Errorf("%s: %s uses %s of %s, which uses %s again", p.PkgPath, from, arrows[from][to], to, from)
				}
			}
		}
	}
}

// TestOnlyTheTellerWrites: nothing but worker/teller.go writes a card or into a thread. What tells
// one person how far a reading is may come from elsewhere.
func TestOnlyTheTellerWrites(t *testing.T) {
	writes := map[string]bool{}
	for _, p := range load(t) {
		for id, o := range p.TypesInfo.Uses {
			f, ok := o.(*types.Func)
			if !ok || f.Signature().Recv() == nil || f.Name() == "Progress" || f.Name() == "Platform" {
				continue
			}
			if named, ok := f.Signature().Recv().Type().(*types.Named); !ok || named.Obj().Name() != "Surface" {
				continue
			}
			file := filepath.Base(p.Fset.Position(id.Pos()).Filename)
			if writes[f.Name()] = true; p.PkgPath != "recallbot/bot/worker" || file != "teller.go" {
				t.Errorf("%s calls %s of a Surface", p.Fset.Position(id.Pos()), f.Name())
			}
		}
	}
	for _, name := range []string{"Post", "Edit", "Reply", "Whisper"} {
		if !writes[name] {
			t.Errorf("nobody calls %s: this test sees nothing", name)
		}
	}
}

// load loads bot and the packages under it whose files this test holds in order.
func load(t *testing.T) []*packages.Package {
	t.Helper()
	const mode = packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports |
		packages.NeedTypes | packages.NeedSyntax | packages.NeedTypesInfo | packages.NeedExportFile
	loaded, err := packages.Load(&packages.Config{Mode: mode}, ".", "./command", "./history", "./intake", "./worker")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range loaded {
		for _, err := range p.Errors {
			t.Fatal(err)
		}
	}
	return loaded
}

// fileArrows returns, for each file of a package, the other files of it that it uses, and one name
// that it uses of each.
func fileArrows(p *packages.Package) map[string]map[string]string {
	arrows := map[string]map[string]string{}
	for id, o := range p.TypesInfo.Uses {
		if o.Pkg() != p.Types {
			continue
		}
		if f, ok := o.(*types.Func); ok && f.Signature().Recv() != nil {
			if types.IsInterface(f.Signature().Recv().Type()) {
				continue // it stands where its interface does
			}
		} else if o.Parent() != p.Types.Scope() {
			continue // a field, or local
		}
		from := filepath.Base(p.Fset.Position(id.Pos()).Filename)
		to := filepath.Base(p.Fset.Position(o.Pos()).Filename)
		if from == to {
			continue
		}
		if arrows[from] == nil {
			arrows[from] = map[string]string{}
		}
		arrows[from][to] = o.Name()
	}
	return arrows
}

// reaches reports whether there is a way from one file to another.
func reaches(arrows map[string]map[string]string, from, to string, seen map[string]bool) bool {
	if from == to {
		return true
	}
	seen[from] = true
	for next := range arrows[from] {
		if !seen[next] && reaches(arrows, next, to, seen) {
			return true
		}
	}
	return false
}
