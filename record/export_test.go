package record

import "os"

// SetSeriesNumber makes a Series go on after a number.
func SetSeriesNumber(s *Series, n int) { s.begun, s.number = true, n }

// SetOutput makes a Writer that Create has made write to another file.
func SetOutput(w *Writer, path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		w.out.w = f
	}
	return err
}

// SetSync makes a Writer bring its files to the disk in another way.
func SetSync(w *Writer, f func(*os.File) error) {
	w.out.bringToDisk = f
	if w.keys != nil {
		w.keys.bringToDisk = f
	}
}
