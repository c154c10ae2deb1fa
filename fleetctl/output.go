package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/template"

	"github.com/spf13/cobra"
	"github.com/theory/jsonpath"
	"sigs.k8s.io/yaml"
)

// form is the shape of what a command writes to stdout.
type form string

const (
	formTable    form = "table"
	formWide     form = "wide"
	formJSON     form = "json"
	formYAML     form = "yaml"
	formName     form = "name"
	formPath     form = "jsonpath"
	formTemplate form = "template"
)

const outputUsage = "the `FORM` of what is shown: table, wide, json, yaml, name, jsonpath=QUERY or template=TEMPLATE; see fleetctl help output"

const outputHelp = `Every command that shows units, machines or anything else of the cluster writes it in the form that --output
(-o, FLEETCTL_OUTPUT) names:

  table                 for people; columns are divided by TABs where nobody watches (the default; "text" is the same)
  wide                  the same with more columns
  json                  one array of the API's entities, whatever their number
  yaml                  the same array as YAML
  name                  the names of units or the ids of machines, one a line, each once
  jsonpath=QUERY        what a JSONPath query (RFC 9535) selects from the array that json prints, one a line:
                        strings as they are, everything else as JSON
  template=TEMPLATE     a Go template (text/template), executed for each entity and ended with a newline

In all but the first two, stdout carries that and nothing else. What a command says besides goes to stderr.

In a QUERY, $ is the array: $[*].name is every name, $[?@.desiredState == 'launched'].name those of units that are wanted
launched. The way in which kubectl writes a path is understood too: {.items[*].name} is $[*].name, {.items[0].name} is
$[0].name, and {.name} is the name of each.

In a TEMPLATE, fields have the names that they have in JSON. One that is empty, and therefore missing in JSON, is
empty; one that does not exist is an error, with exit code 2. Besides those of text/template there are the functions json VALUE,
join SEPARATOR LIST, upper TEXT, lower TEXT and ago TIME; \t and \n are a TAB and a line break.`

// output is the value of --output.
type output struct {
	form     form
	path     *jsonpath.Path
	template *template.Template
	text     string // as it was given
}

func (o *output) String() string { return o.text }

// Type is shown in help texts.
func (o *output) Type() string { return "FORM" }

// Set implements pflag.Value. A mistake in an expression is found here, before anything is done.
func (o *output) Set(text string) error {
	word, expression, given := strings.Cut(text, "=")
	next := output{form: form(word), text: text}
	var err error
	switch next.form {
	case "text":
		next.form = formTable
	case formTable, formWide, formJSON, formYAML, formName:
	case formPath, "template", "go-template":
		switch {
		case !given || expression == "":
			return fmt.Errorf("%s needs an expression: %[1]s=…", word)
		case next.form == formPath:
			next.path, err = parsePath(expression)
		default:
			next.form = formTemplate
			next.template, err = parseTemplate(expression)
		}
		*o = next
		return err
	default:
		return errors.New("expect table, wide, json, yaml, name, jsonpath=QUERY or template=TEMPLATE")
	}
	if given {
		return fmt.Errorf("%s takes no expression", word)
	}
	*o = next
	return nil
}

// structured tells whether stdout belongs to entities alone, for programs to read.
func (a *app) structured() bool {
	return a.output.form != formTable && a.output.form != formWide
}

func (a *app) wide() bool { return a.output.form == formWide }

// entities writes what a command is about in the form that was asked for, one of those that are structured.
func entities[T any](a *app, all []T) error {
	if all == nil {
		all = []T{}
	}
	var b bytes.Buffer
	if err := a.output.write(&b, toAny(all)); err != nil {
		return err
	}
	_, err := a.stdout.Write(b.Bytes())
	return written(err)
}

func toAny[T any](all []T) []any {
	out := make([]any, len(all))
	for i, e := range all {
		out[i] = e
	}
	return out
}

func (o *output) write(b *bytes.Buffer, all []any) error {
	if o.form == formTemplate {
		return executeTemplate(b, o.template, all)
	}
	raw, err := encodeJSON(all, "  ")
	if err != nil {
		return err
	}
	switch o.form {
	case formYAML:
		text, err := yaml.JSONToYAML(raw)
		if err != nil {
			return &fault{exitError, fmt.Errorf("encode the output as YAML: %w", err)}
		}
		b.Write(text)
		return nil
	case formName, formPath:
		decoded, err := decodeJSON(raw)
		if err != nil {
			return err
		}
		if o.form == formName {
			return writeNames(b, decoded)
		}
		return writeSelected(b, o.path, decoded)
	}
	b.Write(raw)
	return nil
}

// encodeJSON ends with a newline.
func encodeJSON(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", indent)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, &fault{exitError, fmt.Errorf("encode the output: %w", err)}
	}
	return b.Bytes(), nil
}

// decodeJSON keeps numbers as they are written.
func decodeJSON(raw []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, &fault{exitError, fmt.Errorf("decode the output: %w", err)}
	}
	return v, nil
}

// writeNames writes what entities are called, each once.
func writeNames(b *bytes.Buffer, decoded any) error {
	list, _ := decoded.([]any)
	seen := make(map[string]bool)
	for _, e := range list {
		names := namesIn(e)
		if names == nil {
			return usage(errors.New("output name: what this command shows has no name; use another form"))
		}
		for _, name := range names {
			if !seen[name] {
				fmt.Fprintln(b, name)
			}
			seen[name] = true
		}
	}
	return nil
}

// namesIn are the names of an entity: of a plan, those of the units that it is about. Nil if it can have none.
func namesIn(e any) []string {
	fields, _ := e.(map[string]any)
	for _, key := range []string{"name", "id", "unit", "machineID"} {
		if name, ok := fields[key].(string); ok {
			return []string{name}
		}
	}
	steps, isPlan := fields["steps"].([]any)
	if !isPlan {
		return nil
	}
	names := []string{}
	for _, s := range steps {
		names = append(names, namesIn(s)...)
	}
	return names
}

func outputTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "output",
		Short: "The forms in which commands write what they show",
		Long:  outputHelp,
		Example: `  fleetctl list-units -o wide
  fleetctl list-units -o name | xargs fleetctl status
  fleetctl list-machines -o jsonpath='$[?@.metadata.disk == "ssd"].primaryIP'
  fleetctl list-unit-files -o template='{{.name}}\t{{.desiredState}}\t{{with .pending}}{{.message}}{{end}}'`,
	}
}
