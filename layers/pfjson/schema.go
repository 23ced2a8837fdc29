package pfjson

import _ "embed" // for the schema

//go:embed schema.json
var schema string

// Schema returns the JSON Schema (2020-12) of the object that Append writes for
// one record. What Parse reads may leave out more, see the package's comment.
func Schema() string { return schema }
