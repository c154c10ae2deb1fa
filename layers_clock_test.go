package fleet_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"testing"
)

// checkNoClock fails for every use of a function of package time that reads the clock.
func checkNoClock(t *testing.T, file string) {
	t.Helper()
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		pkg, ok := selector.X.(*ast.Ident)
		if ok && pkg.Name == "time" && slices.Contains(clockReads, selector.Sel.Name) {
			t.Errorf("%s: a brain must not call time.%s", set.Position(selector.Pos()), selector.Sel.Name)
		}
		return true
	})
}
