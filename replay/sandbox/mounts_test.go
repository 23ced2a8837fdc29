package sandbox

import (
	"slices"
	"testing"
)

func TestPlanMounts(t *testing.T) {
	scratch := []string{"/tmp", "/run"}
	for _, test := range []struct {
		name              string
		writable, scratch []string
		want              []mount
	}{
		{"nothing to share", nil, scratch, []mount{{"/run", true}, {"/tmp", true}}},
		{"elsewhere", []string{"/home/u"}, scratch, []mount{{"/home/u", false}, {"/run", true}, {"/tmp", true}}},
		{"below scratch", []string{"/tmp/a/b"}, scratch, []mount{{"/run", true}, {"/tmp", true}, {"/tmp/a/b", false}}},
		{"the same", []string{"/tmp"}, scratch, []mount{{"/run", true}, {"/tmp", false}}},
		{"below writable", []string{"/home/u/src", "/home/u"}, []string{"/home/u/tmp"}, []mount{{"/home/u", false}}},
		{"twice", []string{"/a", "/a"}, []string{"/b", "/b"}, []mount{{"/a", false}, {"/b", true}}},
		{"scratch below scratch", nil, []string{"/tmp/mine", "/tmp"}, []mount{{"/tmp", true}}},
		{"scratch below writable below scratch", []string{"/tmp/a"}, []string{"/tmp", "/tmp/a/tmp"}, []mount{{"/tmp", true}, {"/tmp/a", false}}},
		{"a name that begins alike", []string{"/tmp-a", "/tmpa"}, []string{"/tmp"}, []mount{{"/tmp", true}, {"/tmp-a", false}, {"/tmpa", false}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := planMounts(test.writable, test.scratch)
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("got %v, %v; want %v", got, err, test.want)
			}
		})
	}
	if got, err := planMounts([]string{"/"}, nil); err == nil {
		t.Errorf("/ gives %v and no error", got)
	}
}

func TestOverlayOptions(t *testing.T) {
	got := overlayOptions(`/tmp/a:b,c\d`, "/u", "/w")
	if want := `lowerdir=/tmp/a\:b\,c\\d,upperdir=/u,workdir=/w`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
