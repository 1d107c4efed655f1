// Counts the packets of a pcapng file by the crate pcap-file.
use pcap_file::pcapng::{Block, PcapNgReader};

fn main() {
    let file = std::fs::File::open(std::env::args().nth(1).unwrap()).unwrap();
    let mut reader = PcapNgReader::new(file).unwrap();
    let mut count = 0;
    while let Some(block) = reader.next_block() {
        if let Block::EnhancedPacket(_) = block.unwrap() {
            count += 1;
        }
    }
    println!("{count}");
}
