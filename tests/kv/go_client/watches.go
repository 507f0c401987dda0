package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"go.etcd.io/etcd/client/v3/mirror"
)

// take collects `count` events.
func take(events clientv3.WatchChan, count int) []*clientv3.Event {
	var taken []*clientv3.Event
	for len(taken) < count {
		response, open := <-events
		check(open && response.Err() == nil, "the watch ends after %d events: %v", len(taken), response.Err())
		taken = append(taken, response.Events...)
	}
	check(len(taken) == count, "%d events for %d", len(taken), count)
	return taken
}

// watch: from now and from history, filters, values before, progress, a start that is compacted.
func watch(s *scenario) {
	first := must(s.Put(s.ctx, "w/0", "0")).Header.Revision
	live := s.Watch(s.ctx, "w/", clientv3.WithPrefix(), clientv3.WithPrevKV(), clientv3.WithCreatedNotify())
	check((<-live).Created, "the first response does not say created")
	must(s.Put(s.ctx, "w/0", "1"))
	must(s.Txn(s.ctx).Then(clientv3.OpPut("w/1", "x"), clientv3.OpDelete("w/0")).Commit())
	last := must(s.Put(s.ctx, "w/2", "y")).Header.Revision
	got := take(live, 4)
	check(string(got[0].PrevKv.Value) == "0" && got[0].IsModify(), "event %v", got[0])
	check(got[1].Kv.ModRevision == got[2].Kv.ModRevision, "a transaction in two revisions: %v", got)

	history := take(s.Watch(s.ctx, "w/", clientv3.WithPrefix(), clientv3.WithRev(first)), 5)
	for i := 1; i < len(history); i++ {
		check(history[i-1].Kv.ModRevision <= history[i].Kv.ModRevision, "disorder: %v", history)
	}
	deletes := take(s.Watch(s.ctx, "w/", clientv3.WithPrefix(), clientv3.WithRev(first), clientv3.WithFilterPut()), 1)
	check(deletes[0].Type == mvccpb.DELETE, "no deletion: %v", deletes[0])
	alone := connect(s.endpoints[:1]) // A watch is served by one member, and another may be behind.
	defer alone.Close()
	progress(s, alone, last)

	must(alone.Compact(s.ctx, last))
	lost := <-alone.Watch(s.ctx, "w/0", clientv3.WithRev(first))
	check(errors.Is(lost.Err(), rpctypes.ErrCompacted) && lost.CompactRevision == last, "compacted: %v", lost)
}

// progress: what is told on request is not below what was read from the same member.
func progress(s *scenario, own *clientv3.Client, least int64) {
	must(own.Get(s.ctx, "quiet"))
	quiet := own.Watch(s.ctx, "quiet", clientv3.WithCreatedNotify())
	check((<-quiet).Created, "the first response does not say created")
	check(own.RequestProgress(s.ctx) == nil, "progress is refused")
	told := <-quiet
	check(told.IsProgressNotify() && told.Header.Revision >= least, "progress: %v, not %d", told.Header, least)
}

// fragments: one revision of more bytes than a message takes comes whole.
func fragments(s *scenario) {
	const keys, bytes = 100, 30_000
	value := strings.Repeat("v", bytes)
	first := must(s.Put(s.ctx, "f/0", value)).Header.Revision
	for i := 1; i < keys; i++ {
		must(s.Put(s.ctx, fmt.Sprintf("f/%d", i), value))
	}
	must(s.Delete(s.ctx, "f/", clientv3.WithPrefix()))
	got := take(s.Watch(s.ctx, "f/", clientv3.WithPrefix(), clientv3.WithRev(first),
		clientv3.WithPrevKV(), clientv3.WithFragment()), 2*keys)
	for _, event := range got[keys:] {
		check(event.Type == mvccpb.DELETE && len(event.PrevKv.Value) == bytes, "a torn event at %v", event.Kv)
	}
}

// cancelled: what the caller gives up ends, and leaves nothing behind on the server.
func cancelled(s *scenario) {
	ctx, cancel := context.WithCancel(s.ctx)
	events := s.Watch(ctx, "c", clientv3.WithCreatedNotify())
	other := s.Watch(s.ctx, "c", clientv3.WithCreatedNotify())
	<-events
	<-other
	cancel()
	for range events {
	}
	must(s.Put(s.ctx, "c", "1"))
	take(other, 1)
	_, err := s.Get(ctx, "c")
	check(errors.Is(err, context.Canceled), "get: %v", err)

	holder, waiter := must(concurrency.NewSession(s.Client)), must(concurrency.NewSession(s.Client))
	held := concurrency.NewMutex(holder, "l")
	check(held.Lock(s.ctx) == nil, "the lock is not free")
	waiting, giveUp := context.WithCancel(s.ctx)
	done := make(chan error)
	go func() { done <- concurrency.NewMutex(waiter, "l").Lock(waiting) }()
	line := s.Watch(s.ctx, "l/", clientv3.WithPrefix(), clientv3.WithRev(held.Header().Revision+1))
	take(line, 1)
	giveUp()
	check(errors.Is(<-done, context.Canceled), "the lock does not say canceled")
	check(waiter.Close() == nil, "the session does not end")
	gone := take(line, 1)
	check(gone[0].Type == mvccpb.DELETE, "the waiter stays in line: %v", gone[0])
}

// mirrored: client/v3/mirror, which `etcdctl make-mirror` is made of.
func mirrored(s *scenario) {
	const keys = 1500
	for i := 0; i < keys; i += 100 {
		var ops []clientv3.Op
		for k := i; k < i+100; k++ {
			ops = append(ops, clientv3.OpPut(fmt.Sprintf("m/%05d", k), "v"))
		}
		must(s.Txn(s.ctx).Then(ops...).Commit())
	}
	syncer := mirror.NewSyncer(s.Client, "m/", 0)
	pages, failures := syncer.SyncBase(s.ctx)
	copied := 0
	for page := range pages {
		copied += len(page.Kvs)
	}
	check(<-failures == nil && copied == keys, "%d keys of %d", copied, keys)
	updates := syncer.SyncUpdates(s.ctx)
	must(s.Put(s.ctx, "m/new", "v"))
	check(string(take(updates, 1)[0].Kv.Key) == "m/new", "another key")
}
