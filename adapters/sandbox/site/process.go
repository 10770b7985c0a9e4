package site

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"sync"
)

// Process is a program as a process of its own, one run after the other. What it says is kept.
type Process struct {
	mu   sync.Mutex
	said bytes.Buffer
	cmd  *exec.Cmd     // nil before the first start
	done chan struct{} // closed when the process has ended
}

// Start starts the program of a file, in a folder, with an environment of its own.
func (p *Process) Start(file, dir string, env []string, args ...string) error {
	cmd, done := exec.Command(file, args...), make(chan struct{})
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, p, p
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	p.cmd, p.done = cmd, done
	go func() {
		defer close(done)
		_ = cmd.Wait() // State tells how it ended
	}()
	return nil
}

func (p *Process) run() (*exec.Cmd, chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd, p.done
}

// Kill ends the process as kill -9 does, if it runs.
func (p *Process) Kill() {
	if cmd, done := p.run(); cmd != nil {
		_ = cmd.Process.Kill() // it fails where the process has ended
		<-done
	}
}

// Signal sends the process a signal.
func (p *Process) Signal(s os.Signal) {
	if cmd, _ := p.run(); cmd != nil {
		_ = cmd.Process.Signal(s) // it fails where the process has ended
	}
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} {
	_, done := p.run()
	return done
}

// Lives reports whether the process runs.
func (p *Process) Lives() bool {
	cmd, done := p.run()
	if cmd == nil {
		return false
	}
	select {
	case <-done:
		return false
	default:
		return true
	}
}

// Code is the exit code of the process, which has ended; -1 of one that was killed.
func (p *Process) Code() int {
	cmd, done := p.run()
	<-done
	return cmd.ProcessState.ExitCode()
}

// PID is the process's id.
func (p *Process) PID() int {
	cmd, _ := p.run()
	return cmd.Process.Pid
}

// Write takes what the process says.
func (p *Process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.Write(b)
}

// Said is what the process has said, in all its runs since Forget.
func (p *Process) Said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.String()
}

// Forget forgets what was said.
func (p *Process) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said.Reset()
}

// Ready is how the program that serves at an address answers /readyz; 0 where nobody answers.
func Ready(addr string) (status int, says string) {
	answer, err := http.Get("http://" + addr + "/readyz")
	if err != nil {
		return 0, ""
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, ""
	}
	return answer.StatusCode, string(body)
}
