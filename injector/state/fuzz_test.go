package state

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzRecord: no record makes anything panic, and one that is taken can be
// written and read again.
func FuzzRecord(f *testing.F) {
	c := content("i-1")
	body, err := marshalRecord("i-1", c)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add([]byte(`{"version":1,"instance":{"instance_id":"..","meta_data":{"a":[{}]}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		rec, err := parseRecord(body)
		if err != nil {
			return
		}
		if _, err := SafeID(rec.Instance.ID); err != nil {
			t.Fatalf("taken with a bad id: %v", err)
		}
		again, err := json.Marshal(rec)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseRecord(again); err != nil {
			t.Fatalf("%v: %s", err, again)
		}
	})
}

// FuzzRead: no state makes anything panic, escape from its directory, or be
// taken for finished without its record.
func FuzzRead(f *testing.F) {
	f.Add("i-1\n", "-> /var/lib/cloud/instances/i-1", "{}", "i-1")
	f.Add("", "-> /", "", "../x")
	f.Fuzz(func(t *testing.T, idFile, link, record, id string) {
		r := fakeRoot{"/var/lib/cloud/data/instance-id": idFile, InstanceLink: link, recordPath: record}
		k := Read(r)
		if strings.ContainsAny(k.ID, "/\x00\n") || k.ID == ".." || !utf8.ValidString(k.ID) {
			t.Errorf("id %q", k.ID)
		}
		d, err := Decide(k, id, AgainInstance)
		if (err == nil) != (d != nil && d.ID != "") {
			t.Errorf("%+v, %v", d, err)
		}
		if err == nil && !d.PerInstance && (k.Record == nil || k.ID != d.ID) {
			t.Errorf("nothing due without a record: %+v", d)
		}
	})
}
