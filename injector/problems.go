package injector

import "boothook/netboot/instance"

// Problems are what a stage has found wrong.
type problems []instance.Problem

func (p *problems) add(more ...instance.Problem) { *p = append(*p, more...) }

// warn adds what is about the whole and lost nothing.
func (p *problems) warn(message string) {
	p.add(instance.Problem{Origin: "boothook", Message: message, Warning: true})
}
