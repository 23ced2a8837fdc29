package layers

import "strings"

// synonyms are names that systems have for one thing, in the spelling that
// CanonicalName leaves.
var synonyms = map[string]string{
	"RIJNDAELCBC": "AESCBC", "AES": "AESCBC",
	"CASTCBC": "CAST", "CAST128CBC": "CAST",
	"BLOWFISHCBC": "BLOWFISH", "BLF": "BLOWFISH",
	"SHA2256": "SHA256", "SHA2384": "SHA384", "SHA2512": "SHA512",
	"SHA1": "SHA", "NULLAESGMAC": "AESGMAC", "ASN1DN": "DN",
}

// keyed are the algorithms of before there was HMAC, whose names are those of others
// once the HMAC is left out.
var keyed = map[string]string{"MD5": "KEYEDMD5", "SHA": "KEYEDSHA", "SHA1": "KEYEDSHA"}

var spellings = strings.NewReplacer("_", "", "HMAC", "", "ICV", "")

// CanonicalName is a name of one of a dialect's tables without what only spelling
// makes of it: two numbers mean the same on two systems if their canonical names are
// equal, as those of AESCBC, RIJNDAELCBC and AES are.
func CanonicalName(name string) string {
	if s, ok := keyed[name]; ok {
		return s
	}
	s := spellings.Replace(name)
	if s == "" {
		return name
	}
	if same, ok := synonyms[s]; ok {
		return same
	}
	return s
}
