package record

// Block types of pcapng (draft-ietf-opsawg-pcapng section 11.1).
const (
	blockSection    = 0x0a0d0d0a // the same in both byte orders
	blockInterface  = 1
	blockPacket     = 2 // obsolete
	blockSimple     = 3
	blockStatistics = 5
	blockEnhanced   = 6
)

// byteOrderMagic tells a section's byte order.
const byteOrderMagic = 0x1a2b3c4d

// Bytes of a block without options, header and trailer included.
const (
	blockOverhead  = 12
	sectionLen     = 28
	interfaceLen   = 20
	packetLen      = 32 // the enhanced and the obsolete one
	simpleLen      = 16
	statisticsLen  = 24
	maxOptionValue = 0xffff
)

// Options (sections 3.5 and 4).
const (
	optEnd     = 0
	optComment = 1

	optHardware    = 2 // shb_hardware
	optOS          = 3 // shb_os
	optApplication = 4 // shb_userappl

	optIfName        = 2  // if_name
	optIfDescription = 3  // if_description
	optIfTSResol     = 9  // if_tsresol
	optIfOS          = 12 // if_os
	optIfTSOffset    = 14 // if_tsoffset

	optFlags     = 2 // epb_flags, pack_flags
	optDropCount = 4 // epb_dropcount
	optPacketID  = 5 // epb_packetid

	optStartTime = 2 // isb_starttime
	optEndTime   = 3 // isb_endtime
	optReceived  = 4 // isb_ifrecv
	optDropped   = 5 // isb_ifdrop
	optAccepted  = 6 // isb_filteraccept
	optOSDropped = 7 // isb_osdrop
	optDelivered = 8 // isb_usrdeliv
)

// tsResolNano is the if_tsresol of nanoseconds.
const tsResolNano = 9

// commentProcess begins the comment that keeps Record.Process.
const commentProcess = "process="

// commentWriteErrno begins the comment that keeps Record.WriteErrno, in words for
// those who read the capture with other tools.
const commentWriteErrno = "write failed with errno "

// commentFilter begins the comment of an interface that keeps WriterOptions.Filter.
const commentFilter = "filter: "
