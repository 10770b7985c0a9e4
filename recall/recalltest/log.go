package recalltest

import (
	"slices"
	"time"
)

// The commands of the service, for [Service.Inject] and the counters.
const (
	Recall   = "group_msg_recall"
	History  = "group_msg_get_simple"
	Info     = "get_group_info"
	Notify   = "send_group_system_notification"
	Groups   = "get_appid_group_list"
	Joined   = "get_joined_group_list"
	Portrait = "portrait_get" // of another service than the rest: profile
)

// A Call is one call that arrived, in the order of arrival.
type Call struct {
	Command string
	Group   string
	Topic   string
	Seqs    []Seq // of a recall, as asked
	At      time.Time

	// Code is the envelope's code, as the service meant it: a fault may have
	// kept the answer from arriving. -1 while the call is being worked on.
	Code  int
	Codes map[Seq]int // of a recall: the code of each message
	Acted bool        // it did what was asked
}

// A Message names a message.
type Message struct {
	Group, Topic string
	Seq          Seq
}

// Log returns every call that arrived, oldest first.
func (s *Service) Log() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Calls returns how many calls of a command arrived; of all for "".
func (s *Service) Calls(command string) int {
	return len(s.arrivals(command))
}

// MostInAnySecond returns the most calls of a command that arrived within any
// window of one second, those that were refused included.
func (s *Service) MostInAnySecond(command string) int {
	return MostInAnySecond(s.arrivals(command))
}

// MostInAnySecond returns the most of the given times, in any order, that lie
// within any window of one second.
func MostInAnySecond(at []time.Time) (most int) {
	at = slices.SortedFunc(slices.Values(at), time.Time.Compare)
	first := 0
	for i := range at {
		for at[i].Sub(at[first]) >= time.Second {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

func (s *Service) arrivals(command string) []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	var at []time.Time
	for _, c := range s.calls {
		if command == "" || c.Command == command {
			at = append(at, c.At)
		}
	}
	return at
}

// RecalledMoreThanOnce returns the messages that a call of group_msg_recall
// asked for although an earlier one had recalled them, once for each time.
func (s *Service) RecalledMoreThanOnce() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.twice)
}

// overQuota reports whether one more call of the command would be more than
// the quota in the second that ends now.
func (s *Service) overQuota(command string, now time.Time) bool {
	if s.options.CallsPerSecond < 0 {
		return false
	}
	n := 0
	for _, c := range slices.Backward(s.calls) {
		if now.Sub(c.At) >= time.Second {
			break
		}
		if c.Command == command && c.Code != codeTooFrequent {
			n++
		}
	}
	if command == Groups {
		return n >= s.options.ListsPerSecond
	}
	return n >= s.options.CallsPerSecond
}
