// gopacket/afpacket as a reader for tests/bench/library: as reader.c.
//
//	reader-go zerocopy|to|copy|addvlan INTERFACE PACKETS
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
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

func main() {
	way, iface := os.Args[1], os.Args[2]
	wanted, err := strconv.Atoi(os.Args[3])
	check(err)
	tp, err := afpacket.NewTPacket(afpacket.OptInterface(iface), afpacket.OptBlockTimeout(10*time.Millisecond),
		afpacket.OptAddVLANHeader(way == "addvlan"), afpacket.OptPollTimeout(time.Second))
	check(err)
	fmt.Println("ready")
	_, err = bufio.NewReader(os.Stdin).ReadString('\n')
	check(err)
	var sum uint64
	var data []byte
	var ci gopacket.CaptureInfo
	buffer := make([]byte, 65536)
	begin := cpu()
	got := 0
	for ; got < wanted; got++ {
		switch way {
		case "to":
			ci, err = tp.ReadPacketDataTo(buffer)
			data = buffer
		case "copy":
			data, ci, err = tp.ReadPacketData()
		default:
			data, ci, err = tp.ZeroCopyReadPacketData()
		}
		if err == afpacket.ErrTimeout && got > wanted/100*99 { // a few may be lost before they reach the socket
			break
		}
		check(err)
		sum += uint64(ci.CaptureLength) + uint64(data[12])
	}
	fmt.Printf("%.2f\n", float64(cpu()-begin)/float64(got))
	if sum == 0 {
		os.Exit(1)
	}
	tp.Close()
}
