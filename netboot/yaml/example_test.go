package yaml_test

import (
	"errors"
	"fmt"
	"log"

	"boothook/netboot/yaml"
)

// What a scalar is taken for is decided as PyYAML does it, by YAML 1.1.
func ExampleParse() {
	root, err := yaml.Parse([]byte("#cloud-config\nenabled: yes\nmode: 0644\nport: 22:30\nname: 'no'\n"))
	if err != nil {
		log.Fatal(err)
	}
	for i := 0; i < len(root.Content); i += 2 { // a mapping's keys and values, in turn
		key, value := root.Content[i], root.Content[i+1]
		_, number, _ := yaml.Resolve(value.Value)
		fmt.Printf("line %d: %s is %q, a %s", key.Line, key.Value, value.Value, value.ShortTag())
		if value.ShortTag() == "!!int" {
			fmt.Printf(", %d", number)
		}
		fmt.Println()
	}
	// Output:
	// line 2: enabled is "yes", a !!bool
	// line 3: mode is "0644", a !!int, 420
	// line 4: port is "22:30", a !!int, 1350
	// line 5: name is "no", a !!str
}

// An error says where, and nothing of what stands there: it may be a secret.
func ExampleError() {
	_, err := yaml.Parse([]byte("users:\n- name: root\n  password: [hunter2\n"))
	if at, ok := errors.AsType[*yaml.Error](err); ok {
		fmt.Printf("line %d, column %d: %s\n", at.Line, at.Column, at.Message)
	}
	// Output:
	// line 3, column 13: the bracket that opens here is not closed
}
