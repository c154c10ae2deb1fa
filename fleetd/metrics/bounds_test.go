package metrics_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestBoundsAreDocumented compares docs/bounds.md with what there is, in both directions.
func TestBoundsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/bounds.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		if !strings.HasPrefix(row[1], "fleet_") {
			documented = append(documented, row[1])
		}
	}
	answer := httptest.NewRecorder()
	watched().Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	var there []string
	for _, sample := range regexp.MustCompile(`(?m)^fleet_(?:queue_length|api_remembered)\{\w+="(\w+)"\}`).FindAllStringSubmatch(answer.Body.String(), -1) {
		there = append(there, sample[1])
	}
	slices.Sort(documented)
	slices.Sort(there)
	if !slices.Equal(documented, there) {
		t.Errorf("docs/bounds.md has %q, and there are %q", documented, there)
	}
}
