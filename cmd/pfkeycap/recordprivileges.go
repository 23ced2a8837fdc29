package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
)

func privilegeFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "relinquish-privileges", Aliases: []string{"Z"}, Usage: "become `USER` (a name, or UID:GID) once the socket is open, before any file is made, and keep no privilege; a COMMAND keeps them"},
	}
}

// account is whom to become.
type account struct {
	uid, gid int
	groups   []int
}

// lookupAccount finds a user by name or number, or takes "UID:GID" as it is.
func lookupAccount(name string) (account, error) {
	if uid, gid, ok := strings.Cut(name, ":"); ok {
		u, err := strconv.ParseUint(uid, 10, 31)
		g, gerr := strconv.ParseUint(gid, 10, 31)
		if err != nil || gerr != nil {
			return account{}, fmt.Errorf("%q: want a user's name, or UID:GID", name)
		}
		return account{uid: int(u), gid: int(g)}, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		if byID, iderr := user.LookupId(name); iderr == nil {
			u, err = byID, nil
		}
	}
	if err != nil {
		return account{}, err
	}
	var a account
	if a.uid, err = strconv.Atoi(u.Uid); err == nil {
		a.gid, err = strconv.Atoi(u.Gid)
	}
	if err != nil {
		return account{}, fmt.Errorf("user %s: %w", name, err)
	}
	ids, err := u.GroupIds()
	if err != nil {
		return account{}, fmt.Errorf("groups of user %s: %w", name, err)
	}
	for _, id := range ids {
		if g, err := strconv.Atoi(id); err == nil {
			a.groups = append(a.groups, g)
		}
	}
	return a, nil
}

// givePrivilegesUp is called when the socket is open: nothing that follows needs
// what opening it does. Who is not root keeps nothing anyway, unless a command is
// to be started with it; root keeps it unless told otherwise, because the files may
// lie where only root may write.
func (rec *recording) givePrivilegesUp(c *cli.Context, command []string) error {
	name := c.String("relinquish-privileges")
	if name == "" {
		if os.Geteuid() != 0 && command == nil {
			if err := dropCapabilities(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
				return machinef("giving privileges up: %w", err)
			}
		}
		return nil
	}
	a, err := lookupAccount(name)
	if err != nil {
		return usagef("-Z: %w", err)
	}
	if command != nil {
		if rec.launcher, err = newLauncher(c, command); err != nil {
			return &statusError{ownFailure, err}
		}
	}
	if err := become(a); err != nil {
		return machinef("-Z: becoming user %d, group %d: %w", a.uid, a.gid, err)
	}
	return nil
}
