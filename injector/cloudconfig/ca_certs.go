package cloudconfig

import (
	"fmt"
	"strings"

	"boothook/injector/plan"
)

// caBundles are the files that programs read, per family, with the place
// from which the family's own tool makes them again.
const (
	debianBundle  = "/etc/ssl/certs/ca-certificates.crt"
	debianAnchors = "/usr/local/share/ca-certificates/cloud-init-ca-cert-%d.crt"
	redHatBundle  = "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"
	redHatAnchors = "/etc/pki/ca-trust/source/anchors/cloud-init-ca-cert-%d.crt"
)

// caCerts plans trusted certificates: into the place that the distribution's
// tool builds its bundle from, and at the end of the bundle itself, so that
// they count before anyone runs that tool.
func caCerts(b *builder) {
	v := b.cfg.Get("ca_certs")
	if v.Missing() {
		v = b.cfg.Get("ca-certs")
	}
	if d := v.Get("remove_defaults"); d.Truth(false) || v.Get("remove-defaults").Truth(false) {
		b.fail(v, "ca_certs: remove_defaults is not handled; the image's certificates stay trusted")
	}
	bundle, anchors := debianBundle, debianAnchors
	if b.prefersFull() {
		bundle, anchors = redHatBundle, redHatAnchors
	}
	n := 0
	for _, item := range v.Get("trusted").Items() {
		cert := strings.TrimSpace(item.Scalar())
		if !strings.HasPrefix(cert, "-----BEGIN ") || !strings.HasSuffix(cert, "-----") {
			b.fail(item, "ca_certs: an entry of trusted is not a certificate in PEM form")
			continue
		}
		n++
		body := []byte(cert + "\n")
		why := item.why("ca_certs")
		b.step(&plan.Step{Kind: plan.File, Path: fmt.Sprintf(anchors, n), Body: body, Mode: 0o644, Why: why})
		if b.Facts.Exists[bundle] {
			b.step(&plan.Step{Kind: plan.File, Path: bundle, Body: body, Append: true, Mode: 0o644, Why: why})
		} else {
			b.warn(item, "ca_certs: this root has no %s; the certificate counts once its bundle is built", bundle)
		}
	}
}
