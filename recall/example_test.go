package recall_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"recallbot/recall"
	"recallbot/recall/recalltest"
)

// exampleClient returns a client of a service in memory with one group of
// three messages.
func exampleClient() (*recalltest.Service, *recall.Client) {
	service := recalltest.New(recalltest.Options{})
	service.AddGroup(recalltest.Group{ID: "@TGS#2J4SZEAEL", Type: "Public", Name: "Trading", Members: 340})
	sent := time.Now().Add(-time.Hour)
	for _, text := range []string{"hello", "double your coins at example.com", "and again"} {
		service.Say("@TGS#2J4SZEAEL", "", "mallory", text, recalltest.At(sent))
	}
	client, err := recall.New(recall.Config{
		SDKAppID:   recall.SDKAppID(service.SDKAppID()),
		SecretKey:  service.SecretKey(),
		BaseURL:    recalltest.URL, // Region: recall.RegionFrankfurt, for the real one
		HTTPClient: service.Client(),
	})
	if err != nil {
		panic(err)
	}
	return service, client
}

// A recall is answered for each message.
func ExampleClient_GroupMsgRecall() {
	service, client := exampleClient()
	defer service.Close()

	seqs := []recall.Seq{2, 3, 100}
	answer, err := client.GroupMsgRecall(context.Background(), recall.RecallRequest{
		Group: "@TGS#2J4SZEAEL", Seqs: seqs, Reason: "scam",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, seq := range seqs {
		code, known := answer.Codes[seq]
		switch {
		case !known:
			fmt.Println(seq, "unknown: read the history")
		case code == recall.CodeOK:
			fmt.Println(seq, "recalled")
		default:
			fmt.Println(seq, code)
		}
	}
	// Output:
	// 2 recalled
	// 3 recalled
	// 100 10030 no such message
}

// What to do after a failure follows from what may have happened.
func ExampleFault() {
	service, client := exampleClient()
	defer service.Close()
	request := recall.RecallRequest{Group: "@TGS#2J4SZEAEL", Seqs: []recall.Seq{2}}

	for _, fault := range []recalltest.Fault{
		recalltest.Unreachable(), recalltest.ResetAfter(), recalltest.Answer(60007, "requests too frequent"),
		recalltest.Answer(10002, ""), recalltest.Answer(10041, ""),
	} {
		service.Inject(recalltest.Recall, 1, fault)
		_, err := client.GroupMsgRecall(context.Background(), request)
		if errors.Is(err, recall.ErrNotSent) {
			fmt.Println("not sent: send it later")
		} else if _, ok := errors.AsType[*recall.Fault](err); ok {
			fmt.Println("no answer: read the history first")
		} else if e, ok := errors.AsType[*recall.Error](err); ok {
			fmt.Printf("%v: %v (%v)\n", e.Code, e.Code.Class(), e.Code.Level())
		}
	}
	// Output:
	// not sent: send it later
	// no answer: read the history first
	// 60007 too frequent: slower (batch)
	// 10002 internal error: unknown outcome (batch)
	// 10041 recall switched off: never (request)
}

// Before is the last word before a call is sent, after it waited for its turn.
func ExampleRecallRequest() {
	service, client := exampleClient()
	defer service.Close()

	stopped := errors.New("the request was stopped")
	_, err := client.GroupMsgRecall(context.Background(), recall.RecallRequest{
		Group: "@TGS#2J4SZEAEL", Seqs: []recall.Seq{2},
		Before: func() error { return stopped },
	})
	fmt.Println(errors.Is(err, recall.ErrNotSent), errors.Is(err, stopped), service.Calls(recalltest.Recall))
	// Output: true true 0
}

func ExampleClient_GetGroupInfo() {
	service, client := exampleClient()
	defer service.Close()

	info, err := client.GetGroupInfo(context.Background(), "@TGS#2J4SZEAEL")
	fmt.Println(info.Name, info.Type, info.Members, info.NextMsgSeq, info.Type.HasHistory(), err)
	_, err = client.GetGroupInfo(context.Background(), "@TGS#nobody")
	fmt.Println(err)
	// Output:
	// Trading Public 340 4 true <nil>
	// recall: get_group_info: 10010 no such group (the API says "the group does not exist")
}

// A handler for callbacks verifies, answers at once, and works afterwards.
func ExampleVerifyCallback() {
	var handler http.HandlerFunc = func(w http.ResponseWriter, r *http.Request) {
		if err := recall.VerifyCallback(r.URL.Query(), 1400000000, "the console's token", time.Now()); err != nil {
			http.Error(w, "", http.StatusForbidden)
			return
		}
		fmt.Fprint(w, recall.CallbackAnswer)
		// read r.Body before, with a limit; then recall.ParseCallback
	}
	service := recalltest.New(recalltest.Options{Callbacks: recalltest.Callbacks{Handler: handler,
		Token: "the console's token"}})
	defer service.Close()
	service.AddGroup(recalltest.Group{ID: "g"})
	service.Say("g", "", "anna", "hello")
	service.FlushCallbacks()
	fmt.Println(service.CallbacksDelivered())
	// Output: 1 0
}

func ExampleParseCallback() {
	c, err := recall.ParseCallback([]byte(`{"CallbackCommand":"Group.CallbackAfterRecallMsg","Operator_Account":"admin",
		"Type":"Public","GroupId":"@TGS#2J4SZEAEL","MsgSeqList":[{"MsgSeq":130}],"EventTime":"1670574414123"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	switch c := c.(type) {
	case recall.AfterRecallMsg:
		fmt.Println(c.Group, c.Seqs, c.Operator, c.EventTime.UTC().Format(time.RFC3339))
	case recall.AfterSendMsg:
		parts, _ := c.Message().Parts()
		fmt.Println(c.Group, parts)
	}
	// Output: @TGS#2J4SZEAEL [130] admin 2022-12-09T08:26:54Z
}

func ExampleUserSigExpiry() {
	sig, err := recall.SignUserSig(1400000000, "the key", "administrator", time.Unix(1700000000, 0), 24*time.Hour)
	if err != nil {
		fmt.Println(err)
		return
	}
	until, err := recall.UserSigExpiry(sig)
	fmt.Println(until.UTC(), err)
	// Output: 2023-11-15 22:13:20 +0000 UTC <nil>
}

func ExampleCode() {
	for _, code := range []recall.Code{10031, 70050, 424242} {
		fmt.Printf("%v: %v, %v\n", code, code.Class(), code.Meaning())
	}
	// Output:
	// 10031 message too old: never, The message is outside the time in which it can be recalled.
	// 70050 too many wrong UserSigs: wait, Too many UserSigs failed: wait a minute before the next.
	// 424242 unknown code: never, No page of the service names this code.
}
