// Package report makes the page that shows a recording: one HTML file with everything
// in it, which asks nobody for anything.
package report
