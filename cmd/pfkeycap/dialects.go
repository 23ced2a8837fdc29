package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/layers"
)

func dialectsCommand() *cli.Command {
	return &cli.Command{
		Usage:     "print every system's numbers side by side",
		ArgsUsage: "[TABLE|OS|NUMBER|NAME…]",
		Description: `Prints what each number means on each system: messages, extensions, SA types,
algorithms, flags, error numbers and so on. A "!" marks a number that means different
things on two of the systems shown; names that differ for the same thing are no
conflict. A "-" is where a system has no such number.

Arguments choose, and may be mixed: tables ("satypes", "ext"; a beginning will do),
systems ("linux openbsd"), numbers ("18", "0x200") and names as in the headers, in any
case and with their prefix or without ("aescbc", "SADB_X_SPDADD").

--by-name turns the tables round: which number each system has for a name. There "!"
marks what has different numbers.

  pfkeycap dialects satypes             which SA type is what, where
  pfkeycap dialects linux openbsd 18    what 18 means on these two
  pfkeycap dialects --by-name ESP       the number of ESP everywhere
  pfkeycap dialects --conflicts ext     the extensions that are mistaken for others`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", Aliases: []string{"T"}, Usage: "`FORM`: text or json (one object a line)", Value: "text"},
			&cli.BoolFlag{Name: "conflicts", Usage: "only what is marked"},
			&cli.BoolFlag{Name: "by-name", Usage: "names, and the number of each on each system"},
		},
		Action: dialectsAction,
	}
}

// numberTable is one of the tables that all dialects have.
type numberTable struct {
	name    string
	numbers []uint64
	hex     bool
	of      func(d layers.Dialect, n uint64) (name, meaning string)
	find    func(d layers.Dialect, name string) (uint64, bool) // the inverse
}

func upTo(n uint64) (list []uint64) {
	for i := range n {
		list = append(list, i)
	}
	return list
}

func enumTable(name string, e layers.Enum) numberTable {
	return numberTable{
		name: name, numbers: upTo(256),
		of: func(d layers.Dialect, n uint64) (string, string) {
			s := d.EnumName(e, n)
			return s, canonical(s)
		},
		find: func(d layers.Dialect, name string) (uint64, bool) { return d.EnumValue(e, name) },
	}
}

func flagsTable(name string, e layers.Enum) numberTable {
	t := numberTable{
		name: name, hex: true,
		of: func(d layers.Dialect, n uint64) (string, string) {
			s := d.FlagNames(e, uint32(n))[0]
			if strings.HasPrefix(s, "0x") { // has no name
				s = ""
			}
			return s, s
		},
		find: func(d layers.Dialect, name string) (uint64, bool) {
			v, ok := d.FlagValue(e, name)
			return uint64(v), ok
		},
	}
	for bit := range 32 {
		t.numbers = append(t.numbers, 1<<bit)
	}
	return t
}

// plainTable is one whose names mean the same everywhere.
func plainTable(name string, size uint64, of func(d layers.Dialect, n uint64) string) numberTable {
	return numberTable{
		name: name, numbers: upTo(size),
		of: func(d layers.Dialect, n uint64) (string, string) { s := of(d, n); return s, s },
		find: func(d layers.Dialect, name string) (uint64, bool) {
			for n := range size {
				if s := of(d, n); s != "" && strings.EqualFold(s, name) {
					return n, true
				}
			}
			return 0, false
		},
	}
}

func numberTables() []numberTable {
	return []numberTable{
		enumTable("messages", layers.EnumMsgType),
		{
			name: "extensions", numbers: upTo(64),
			of: func(d layers.Dialect, n uint64) (string, string) {
				if s := d.ExtName(uint16(n)); s != "" {
					return s, d.ExtType(uint16(n)).String()
				}
				return "", ""
			},
			find: func(d layers.Dialect, name string) (uint64, bool) {
				n, ok := d.ExtNumber(name)
				return uint64(n), ok
			},
		},
		enumTable("satypes", layers.EnumSAType),
		enumTable("states", layers.EnumState),
		flagsTable("sa-flags", layers.EnumSAFlags),
		enumTable("auth", layers.EnumAuth),
		enumTable("encrypt", layers.EnumEncrypt),
		enumTable("comp", layers.EnumComp),
		enumTable("identities", layers.EnumIdentType),
		enumTable("modes", layers.EnumMode),
		enumTable("policy-types", layers.EnumPolicyType),
		enumTable("directions", layers.EnumDir),
		enumTable("levels", layers.EnumLevel),
		enumTable("scopes", layers.EnumPolicyScope),
		flagsTable("policy-flags", layers.EnumPolicyFlags),
		enumTable("nat-t-types", layers.EnumNATTType),
		enumTable("flow-types", layers.EnumFlowType),
		enumTable("flow-directions", layers.EnumFlowDir),
		enumTable("credentials", layers.EnumCredType),
		enumTable("credential-auth", layers.EnumAuthType),
		flagsTable("sa2-flags", layers.EnumSA2Flags),
		flagsTable("sensitivity-flags", layers.EnumSensFlags),
		enumTable("key-managers", layers.EnumKMProto),
		enumTable("algorithm-types", layers.EnumAlgType),
		enumTable("diagnostics", layers.EnumDiagnostic),
		plainTable("families", 64, func(d layers.Dialect, n uint64) string { return d.FamilyName(uint16(n)) }),
		plainTable("errno", 256, func(d layers.Dialect, n uint64) string { return d.ErrnoName(uint8(n)) }),
	}
}

// synonyms are names that systems have for one thing, in the spelling that
// canonical leaves.
var synonyms = map[string]string{
	"RIJNDAELCBC": "AESCBC", "AES": "AESCBC",
	"CASTCBC": "CAST", "CAST128CBC": "CAST",
	"BLOWFISHCBC": "BLOWFISH", "BLF": "BLOWFISH",
	"SHA2256": "SHA256", "SHA2384": "SHA384", "SHA2512": "SHA512",
	"SHA1": "SHA", "NULLAESGMAC": "AESGMAC", "ASN1DN": "DN", "TCPSIGNATURE": "TCPSIG",
	"AESGCM": "AESGCM16",
}

// canonical is a name without what only spelling makes of it.
func canonical(name string) string {
	s := strings.NewReplacer("_", "", "ICV", "").Replace(name)
	// SHA and MD5 without HMAC are keyed hashes of old, another thing; the longer
	// hashes are HMACs by whatever name.
	if strings.HasPrefix(s, "SHA2") || strings.HasPrefix(s, "SHA3") || strings.HasPrefix(s, "SHA5") || strings.HasPrefix(s, "RIPEMD") {
		s = strings.TrimSuffix(s, "HMAC")
	}
	if same, ok := synonyms[s]; ok {
		return same
	}
	return s
}

// cell is a name that a number has on a system.
type cell struct {
	dialect layers.Dialect
	number  uint64
	name    string
	meaning string
}

// row is what one number means or, by name, which numbers one thing has.
type row struct {
	Table    string            `json:"table"`
	Number   *uint64           `json:"number,omitempty"`
	Name     string            `json:"name,omitempty"`
	Conflict bool              `json:"conflict"`
	Names    map[string]string `json:"names"`
	Numbers  map[string]uint64 `json:"numbers,omitempty"`
}

// selection is what the arguments choose; what is empty chooses everything.
type selection struct {
	tables   []numberTable
	dialects []layers.Dialect
	numbers  []uint64
	names    []string
	byName   bool
	marked   bool // only what is marked
}

func parseSelection(c *cli.Context) (s selection, err error) {
	all := numberTables()
	for _, arg := range c.Args().Slice() {
		if n, err := strconv.ParseUint(arg, 0, 64); err == nil {
			s.numbers = append(s.numbers, n)
			continue
		}
		if i := tableIndex(all, arg); i >= 0 {
			s.tables = append(s.tables, all[i])
			continue
		}
		if d, err := layers.ParseDialect(arg); err == nil {
			s.dialects = append(s.dialects, d)
			continue
		}
		if !known(all, arg) {
			var names []string
			for _, t := range all {
				names = append(names, t.name)
			}
			return s, usagef("%q is no system, no number, no name that a system has, and no table: the tables are %s", arg, strings.Join(names, ", "))
		}
		s.names = append(s.names, arg)
	}
	if s.tables == nil {
		s.tables = all
	}
	if s.dialects == nil {
		s.dialects = layers.Dialects()
	}
	s.byName, s.marked = c.Bool("by-name"), c.Bool("conflicts")
	return s, nil
}

// tableIndex finds a table by its name or by a beginning that no other one has.
func tableIndex(all []numberTable, arg string) int {
	found := -1
	for i, t := range all {
		switch {
		case strings.EqualFold(t.name, arg):
			return i
		case len(arg) > 2 && len(arg) < len(t.name) && strings.EqualFold(t.name[:len(arg)], arg):
			if found >= 0 {
				return -1
			}
			found = i
		}
	}
	return found
}

// known reports whether some system has the name.
func known(all []numberTable, name string) bool {
	for _, t := range all {
		for _, d := range layers.Dialects() {
			if _, ok := t.find(d, name); ok {
				return true
			}
		}
	}
	return false
}

// cells are the names that a table has on the systems chosen, in the order of
// numbers.
func (s *selection) cells(t *numberTable) (list []cell) {
	for _, n := range t.numbers {
		for _, d := range s.dialects {
			if name, meaning := t.of(d, n); name != "" {
				list = append(list, cell{d, n, name, meaning})
			}
		}
	}
	return list
}

// wants reports whether the arguments choose a cell.
func (s *selection) wants(t *numberTable, c *cell) bool {
	if s.numbers == nil && s.names == nil || slices.Contains(s.numbers, c.number) {
		return true
	}
	for _, name := range s.names {
		if n, ok := t.find(c.dialect, name); ok && n == c.number {
			return true
		}
	}
	return false
}

// rows gathers the cells of a table by number, or by meaning.
func (s *selection) rows(t *numberTable) (list []row) {
	cells := s.cells(t)
	done := map[any]bool{}
	for i := range cells {
		key := func(c *cell) any {
			if s.byName {
				return c.meaning
			}
			return c.number
		}
		first := &cells[i]
		if done[key(first)] {
			continue
		}
		done[key(first)] = true
		r := row{Table: t.name, Names: map[string]string{}}
		if s.byName {
			r.Name, r.Numbers = first.name, map[string]uint64{}
		} else {
			r.Number = &first.number
		}
		wanted := false
		for k := i; k < len(cells); k++ {
			x := &cells[k]
			if key(x) != key(first) {
				continue
			}
			wanted = wanted || s.wants(t, x)
			d := x.dialect.String()
			if _, twice := r.Names[d]; twice { // an alias further on
				continue
			}
			r.Names[d] = x.name
			r.Conflict = r.Conflict || x.meaning != first.meaning || x.number != first.number
			if s.byName {
				r.Numbers[d] = x.number
			}
		}
		if wanted && (r.Conflict || !s.marked) {
			list = append(list, r)
		}
	}
	return list
}

func dialectsAction(c *cli.Context) error {
	s, err := parseSelection(c)
	if err != nil {
		return err
	}
	format, err := formatOf(c, "text", "json")
	if err != nil {
		return err
	}
	if format == "json" {
		enc := json.NewEncoder(c.App.Writer)
		for i := range s.tables {
			for _, r := range s.rows(&s.tables[i]) {
				if err := enc.Encode(r); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return printDialects(c.App.Writer, &s)
}

func printDialects(out io.Writer, s *selection) error {
	what := "the number means different things on these systems; - there is no such number"
	if s.byName {
		what = "it has different numbers on these systems; - there is no such name"
	}
	fmt.Fprintf(out, "# ! %s\n", what)
	if len(s.dialects) < len(layers.Dialects()) {
		for _, d := range s.dialects {
			fmt.Fprintf(out, "# %v: %s\n", d, d.Source())
		}
	}
	for i := range s.tables {
		t := &s.tables[i]
		rows := s.rows(t)
		if len(rows) == 0 {
			continue
		}
		fmt.Fprintln(out)
		w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
		fmt.Fprintf(w, "%s", t.name)
		for _, d := range s.dialects {
			fmt.Fprintf(w, "\t%v", d)
		}
		fmt.Fprintln(w)
		for _, r := range rows {
			mark := " "
			if r.Conflict {
				mark = "!"
			}
			key := r.Name
			if r.Number != nil {
				key = t.format(*r.Number)
			}
			fmt.Fprintf(w, "%s%s", mark, key)
			for _, d := range s.dialects {
				name, is := r.Names[d.String()]
				switch {
				case !is:
					name = "-"
				case s.byName:
					name = t.format(r.Numbers[d.String()])
				}
				fmt.Fprintf(w, "\t%s", name)
			}
			fmt.Fprintln(w)
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func (t *numberTable) format(n uint64) string {
	if t.hex {
		return fmt.Sprintf("%#x", n)
	}
	return strconv.FormatUint(n, 10)
}
