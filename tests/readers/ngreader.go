// Counts the packets of a pcapng file by pcapgo.NgReader of gopacket; GOPACKET is the import path of one of its two homes.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"GOPACKET/pcapgo"
)

func main() {
	file, err := os.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	reader, err := pcapgo.NewNgReader(file, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		panic(err)
	}
	count := 0
	for {
		_, _, err = reader.ReadPacketData()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			panic(err)
		}
		count++
	}
	fmt.Println(count)
}
