package record_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/record"
)

func TestSaltFile(t *testing.T) {
	raw := secret(1, 32)
	long := secret(2, 100)
	hashed := sha256.Sum256(long)
	tests := []struct {
		name string
		data []byte
		want record.Salt
		err  string
	}{
		{"32 bytes", raw, record.Salt(raw), ""},
		{"hex", []byte(hex.EncodeToString(raw)), record.Salt(raw), ""},
		{"hex on a line", []byte(" " + strings.ToUpper(hex.EncodeToString(raw)) + "\r\n"), record.Salt(raw), ""},
		{"100 bytes", long, record.Salt(hashed), ""},
		{"100 bytes in hex", []byte(hex.EncodeToString(long) + "\n"), record.Salt(hashed), ""},
		{"31 bytes", raw[:31], record.Salt{}, "31 bytes"},
		{"62 hex digits", []byte(hex.EncodeToString(raw[:31])), record.Salt(sha256.Sum256([]byte(hex.EncodeToString(raw[:31])))), ""}, // 62 bytes are bytes
		{"empty", nil, record.Salt{}, "0 bytes"},
		{"too long", make([]byte, 5000), record.Salt{}, "more than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "salt")
			if err := os.WriteFile(path, tt.data, 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := record.ReadSaltFile(path)
			if got != tt.want || (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%v, %v; want %v, %q", got, err, tt.want, tt.err)
			}
		})
	}
}

func TestCreateSaltFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "salt")
	s, err := record.CreateSaltFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := record.ReadSaltFile(path); err != nil || got != s {
		t.Errorf("%v, %v; want %v", got, err, s)
	}
	if _, err := record.CreateSaltFile(path); !errors.Is(err, os.ErrExist) {
		t.Errorf("an existing salt: %v", err)
	}
	if got, _ := record.ReadSaltFile(path); got != s {
		t.Error("an existing salt was replaced")
	}
	if _, err := record.ReadSaltFile(path + "x"); err == nil {
		t.Error("a salt from nowhere")
	}
}

func TestSalt(t *testing.T) {
	a, b := record.NewSalt(), record.NewSalt()
	if a == b || a.IsZero() || a.ID() == b.ID() || len(a.ID()) != 8 {
		t.Errorf("%v and %v", a, b)
	}
	if _, err := record.ParseSalt(strings.Repeat("zz", 32)); err == nil || strings.Contains(err.Error(), "z") {
		t.Errorf("a salt that is not hex: %v", err)
	}
	if j, err := json.Marshal(a); err != nil || strings.Contains(string(j), hex.EncodeToString(a[:4])) {
		t.Errorf("JSON %s, %v", j, err)
	}
}
