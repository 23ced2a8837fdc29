//go:build !unix

package main

import "errors"

func become(account) error { return errors.ErrUnsupported }

func dropCapabilities() error { return errors.ErrUnsupported }
