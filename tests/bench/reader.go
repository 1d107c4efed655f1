// gopacket/afpacket as a reader for tests/bench/library: as reader.c.
//
//	reader-go zerocopy|to|copy|addvlan INTERFACE
package main

import (
	"bufio"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/afpacket"
)

// The CPU time of this process in nanoseconds: all threads of the runtime, as for the C readers.
func cpu() int64 {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var sum uint64
var buffer = make([]byte, 65536)

func read(tp *afpacket.TPacket, way string, count int) {
	var data []byte
	var ci gopacket.CaptureInfo
	var err error
	for got := 0; got < count; got++ {
		switch way {
		case "to":
			ci, err = tp.ReadPacketDataTo(buffer)
			data = buffer
		case "copy":
			data, ci, err = tp.ReadPacketData()
		default:
			data, ci, err = tp.ZeroCopyReadPacketData()
		}
		check(err)
		sum += uint64(ci.CaptureLength) + uint64(data[12])
	}
}

func main() {
	way, iface := os.Args[1], os.Args[2]
	tp, err := afpacket.NewTPacket(afpacket.OptInterface(iface), afpacket.OptBlockTimeout(10*time.Millisecond),
		afpacket.OptAddVLANHeader(way == "addvlan"), afpacket.OptPollTimeout(time.Second))
	check(err)
	fmt.Println("ready")
	var ns int64
	total, timed := 0, 0
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		_, stats, err := tp.SocketStats()
		check(err)
		held := int(stats.Packets()-stats.Drops()) - total
		begin := cpu()
		read(tp, way, held)
		took := cpu() - begin
		total += held
		if in.Text() == "go" { // it counts; else it warms up
			ns += took
			timed += held
		}
		fmt.Println(held)
	}
	fmt.Printf("%.2f\n", float64(ns)/float64(timed))
	tp.Close()
}
