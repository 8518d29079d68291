package main

import (
	_ "embed"
	"encoding/json"

	"boothook/injector/jinja"
	"boothook/injector/userdata"
)

// variables are what templates see, on both sides.
//
//go:embed variables.json
var variables []byte

// rendered gives the parts with their templates filled in.
func rendered(parts []userdata.Part) ([]userdata.Part, error) {
	var vars map[string]any
	if err := json.Unmarshal(variables, &vars); err != nil {
		return nil, err
	}
	parts, _ = userdata.Render(parts, jinja.Variables(vars))
	return parts, nil
}
