//go:build !unix

package main

import "os/exec"

func background(*exec.Cmd) {}

func lowerPriority(int) {}
