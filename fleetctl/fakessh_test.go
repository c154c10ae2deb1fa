package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// fakeSSH is the ssh program of the scripts. It appends its arguments to the file $SSH_LOG
// and then does on this host what it should do on another: it connects a port (-W),
// or gives the command to a shell, whose PATH is $SSH_PATH if that is set. Without a command it is a shell that
// exits with 5. A destination that begins with "away" cannot be reached.
func fakeSSH() {
	args := os.Args[1:]
	if file := os.Getenv("SSH_LOG"); file != "" {
		f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			giveUp("open the log: %v", err)
		}
		fmt.Fprintln(f, "ssh", strings.Join(args, " "))
		f.Close()
	}
	i := slices.Index(args, "--")
	if i < 0 || i+1 >= len(args) {
		giveUp("no destination in %q", args)
	}
	options, host, command := args[:i], args[i+1], args[i+2:]
	if strings.HasPrefix(host, "away") {
		giveUp("connect to host %s port 22: Connection refused", host)
	}
	if i := slices.Index(options, "-W"); i >= 0 {
		c, err := net.Dial("tcp", options[i+1])
		if err != nil {
			giveUp("%v", err)
		}
		go func() {
			_, _ = io.Copy(c, os.Stdin)
			_ = c.(*net.TCPConn).CloseWrite()
		}()
		_, _ = io.Copy(os.Stdout, c)
		return
	}
	if len(command) == 0 {
		fmt.Println("shell on", host)
		os.Exit(5)
	}
	shell := exec.Command("/bin/sh", "-c", strings.Join(command, " "))
	shell.Stdin, shell.Stdout, shell.Stderr = os.Stdin, os.Stdout, os.Stderr
	if path := os.Getenv("SSH_PATH"); path != "" {
		shell.Env = append(os.Environ(), "PATH="+path)
	}
	_ = shell.Run()
	os.Exit(shell.ProcessState.ExitCode())
}

func giveUp(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "ssh: "+format+"\n", args...)
	os.Exit(255)
}
