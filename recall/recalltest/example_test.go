package recalltest_test

import (
	"context"
	"fmt"

	"recallbot/recall"
	"recallbot/recall/recalltest"
)

// An answer that is lost is the case to test first: the message is recalled,
// and the caller does not know.
func ExampleService_Inject() {
	service := recalltest.New(recalltest.Options{})
	defer service.Close()
	service.AddGroup(recalltest.Group{ID: "@TGS#1", Type: "Public"})
	seq := service.Say("@TGS#1", "", "mallory", "buy my coins")

	client, err := recall.New(recall.Config{
		SDKAppID: recall.SDKAppID(service.SDKAppID()), SecretKey: service.SecretKey(),
		BaseURL: recalltest.URL, HTTPClient: service.Client(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	service.Inject(recalltest.Recall, 1, recalltest.ResetAfter())
	_, err = client.GroupMsgRecall(context.Background(),
		recall.RecallRequest{Group: "@TGS#1", Seqs: []recall.Seq{recall.Seq(seq)}})
	fmt.Println(err)
	fmt.Println("recalled:", service.Recalled("@TGS#1", "", seq))
	// Output:
	// recall: group_msg_recall: no answer: read tcp: connection reset by peer
	// recalled: true
}
