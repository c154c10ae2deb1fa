package api_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The schemas in openapi.json are made of the types in this package's source:
// every struct with JSON tags, with its comments. So they cannot say anything else.

// handMade are the schemas of types that decode themselves.
var handMade = map[string]object{
	"patchValue": {
		"description": "what is to be set: plain, or a string nested in an object once more, as fleet 1 wanted it",
		"type":        []string{"string", "boolean", "number", "object", "null"},
		"properties":  object{"value": object{"type": "string"}},
	},
}

// narrower are fields of requests that take any string in Go, so that the answer to a wrong word is one of ours.
var narrower = map[string]object{
	"putRequest.desiredState":    {"$ref": reference("cluster.DesiredState")},
	"changeRequest.desiredState": {"$ref": reference("cluster.DesiredState")},
	"patchOperation.op":          {"type": "string", "enum": []string{"add", "replace", "remove"}},
}

// basic are the schemas of Go's own types.
var basic = map[string]object{
	"any":             {},
	"json.RawMessage": {},
	"bool":            {"type": "boolean"},
	"float64":         {"type": "number", "format": "double"},
	"int":             {"type": "integer"},
	"int32":           {"type": "integer", "format": "int32"},
	"int64":           {"type": "integer", "format": "int64"},
	"string":          {"type": "string"},
	"time.Time":       {"type": "string", "format": "date-time"},
	"uint32":          {"type": "integer", "minimum": 0},
	"uint64":          {"type": "integer", "minimum": 0},
}

type object map[string]any

// sources are the types and constants of the packages whose values are sent.
type sources struct {
	t      *testing.T
	types  map[string]*ast.TypeSpec // "Unit", "cluster.DesiredState"
	doc    map[string]string
	values map[string][]enumValue // constants by their type
}

type enumValue struct{ value, comment string }

func readSources(t *testing.T) *sources {
	s := &sources{t: t, types: make(map[string]*ast.TypeSpec), doc: make(map[string]string), values: make(map[string][]enumValue)}
	s.read(".", "")
	s.read("../cluster", "cluster.")
	s.read("../unit", "unit.")
	return s
}

func (s *sources) read(dir, qualifier string) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, d := range file.Decls {
			if g, ok := d.(*ast.GenDecl); ok {
				s.declaration(g, qualifier)
			}
		}
	}
}

func (s *sources) declaration(g *ast.GenDecl, qualifier string) {
	for _, spec := range g.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			s.types[qualifier+spec.Name.Name] = spec
			s.doc[qualifier+spec.Name.Name] = prose(g.Doc, spec.Doc)
		case *ast.ValueSpec:
			kind, ok := spec.Type.(*ast.Ident)
			if g.Tok != token.CONST || !ok || len(spec.Values) != 1 {
				continue
			}
			if value, ok := spec.Values[0].(*ast.BasicLit); ok && value.Kind == token.STRING {
				text, _ := strconv.Unquote(value.Value)
				s.values[qualifier+kind.Name] = append(s.values[qualifier+kind.Name], enumValue{text, prose(spec.Comment)})
			}
		}
	}
}

func prose(comments ...*ast.CommentGroup) string {
	var parts []string
	for _, c := range comments {
		if text := strings.Join(strings.Fields(c.Text()), " "); text != "" {
			parts = append(parts, strings.TrimSuffix(text, ","))
		}
	}
	return strings.Join(parts, " ")
}

// schemas returns the schema of everything with JSON tags, and of what that refers to, as the
// text that belongs into openapi.json.
func (s *sources) schemas() string {
	all := make(map[string]string)
	for name, spec := range s.types {
		if structure, ok := spec.Type.(*ast.StructType); ok && !strings.Contains(name, ".") && tagged(structure) {
			all[schemaName(name)] = s.structure(name, structure)
		}
	}
	for name, values := range s.values {
		if schema := s.enum(name, values); strings.Contains(strings.Join(slices.Collect(maps.Values(all)), ""), reference(name)+`"`) {
			all[schemaName(name)] = schema
		}
	}
	var out strings.Builder
	for i, name := range slices.Sorted(maps.Keys(all)) {
		if i > 0 {
			out.WriteString(",")
		}
		fmt.Fprintf(&out, "\n      %q: %s", name, all[name])
	}
	return out.String()
}

func tagged(structure *ast.StructType) bool {
	return slices.ContainsFunc(structure.Fields.List, func(f *ast.Field) bool { return f.Tag != nil })
}

func schemaName(name string) string {
	if _, after, qualified := strings.Cut(name, "."); qualified {
		name = after
	}
	return strings.ToUpper(name[:1]) + name[1:]
}

func reference(name string) string { return "#/components/schemas/" + schemaName(name) }

func (s *sources) structure(name string, structure *ast.StructType) string {
	var properties, required []string
	s.fields(structure, func(key string, schema object, optional bool) {
		if narrow, ok := narrower[name+"."+key]; ok {
			delete(schema, "type")
			maps.Copy(schema, narrow)
		}
		properties = append(properties, fmt.Sprintf("\n          %q: %s", key, oneLine(s.t, schema)))
		if !optional {
			required = append(required, key)
		}
	})
	var out strings.Builder
	out.WriteString("{\n        \"type\": \"object\"")
	if s.doc[name] == "" {
		s.t.Errorf("type %s of the JSON has no comment for %s", name, openAPIFile)
	}
	fmt.Fprintf(&out, ",\n        \"description\": %s", oneLine(s.t, s.doc[name]))
	if len(required) > 0 {
		fmt.Fprintf(&out, ",\n        \"required\": %s", oneLine(s.t, required))
	}
	fmt.Fprintf(&out, ",\n        \"properties\": {%s\n        }\n      }", strings.Join(properties, ","))
	return out.String()
}

// fields visits the fields of a struct, and those of the structs that are embedded in it, as encoding/json sees them.
func (s *sources) fields(structure *ast.StructType, visit func(key string, schema object, optional bool)) {
	for _, f := range structure.Fields.List {
		if len(f.Names) == 0 {
			embedded, ok := f.Type.(*ast.Ident)
			if !ok {
				s.t.Fatalf("an embedded field is not of a type of package api")
			}
			s.fields(s.types[embedded.Name].Type.(*ast.StructType), visit)
			continue
		}
		if f.Tag == nil {
			s.t.Fatalf("field %s has no JSON tag", f.Names[0])
		}
		text, _ := strconv.Unquote(f.Tag.Value)
		key, rest, _ := strings.Cut(reflect.StructTag(text).Get("json"), ",")
		if key == "-" {
			continue
		}
		schema := maps.Clone(s.schema(f.Type))
		if text := cmp.Or(prose(f.Doc, f.Comment), s.docOf(f.Type)); text != "" {
			schema["description"] = text
		}
		if schema["description"] == nil && schema["$ref"] == nil {
			s.t.Errorf("field %s of the JSON has no comment for %s", key, openAPIFile)
		}
		visit(key, schema, strings.Contains(rest, "omit"))
	}
}

// docOf is the comment of a field's own type, or of its elements'.
func (s *sources) docOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return s.docOf(e.X)
	case *ast.ArrayType:
		return s.docOf(e.Elt)
	case *ast.SelectorExpr:
		return s.doc[e.X.(*ast.Ident).Name+"."+e.Sel.Name]
	case *ast.Ident:
		return s.doc[e.Name]
	}
	return ""
}

func (s *sources) schema(e ast.Expr) object {
	switch e := e.(type) {
	case *ast.StarExpr:
		return s.schema(e.X)
	case *ast.ArrayType:
		if element, ok := e.Elt.(*ast.Ident); ok && element.Name == "byte" {
			return object{"type": "string", "contentEncoding": "base64"}
		}
		return object{"type": "array", "items": s.schema(e.Elt)}
	case *ast.MapType:
		return object{"type": "object", "additionalProperties": s.schema(e.Value)}
	case *ast.SelectorExpr:
		return s.named(e.X.(*ast.Ident).Name + "." + e.Sel.Name)
	case *ast.Ident:
		return s.named(e.Name)
	}
	s.t.Fatalf("there is no schema for a %T", e)
	return nil
}

func (s *sources) named(name string) object {
	if schema, ok := basic[name]; ok {
		return maps.Clone(schema)
	}
	if schema, ok := handMade[name]; ok {
		return maps.Clone(schema)
	}
	spec := s.types[name]
	if spec == nil {
		s.t.Fatalf("there is no schema for type %s", name)
	}
	if _, ok := spec.Type.(*ast.StructType); ok || len(s.values[name]) > 1 {
		return object{"$ref": reference(name)}
	}
	return s.schema(spec.Type)
}

func (s *sources) enum(name string, values []enumValue) string {
	words := make([]string, len(values))
	doc := s.doc[name]
	for i, v := range values {
		words[i] = v.value
		if v.comment != "" {
			doc += fmt.Sprintf("\n* `%s`: %s", v.value, v.comment)
		}
	}
	return oneLine(s.t, object{"type": "string", "enum": words, "description": doc})
}

func oneLine(t *testing.T, v any) string {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out.String())
}
