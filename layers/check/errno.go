package check

// Error numbers that are the same on every system.
const (
	ePERM   = 1
	eNOENT  = 2
	eSRCH   = 3
	eNOMEM  = 12
	eACCES  = 13
	eBUSY   = 16
	eEXIST  = 17
	eINVAL  = 22
	eNOSPC  = 28
	eDOM    = 33
	eERANGE = 34
)

// Linux (include/uapi/asm-generic/errno.h).
const (
	eNOSYS          = 38
	eLOOP           = 40
	eNODATA         = 61
	eMSGSIZE        = 90
	eNOPROTOOPT     = 92
	ePROTONOSUPPORT = 93
	eOPNOTSUPP      = 95
	eNOBUFS         = 105
)

// The BSDs and macOS (sys/sys/errno.h of each), but for EOPNOTSUPP, which is 102 on
// macOS.
const (
	bsdMSGSIZE        = 40
	bsdPROTONOSUPPORT = 43
	bsdOPNOTSUPP      = 45
	bsdAFNOSUPPORT    = 47
	bsdNOBUFS         = 55
	macOPNOTSUPP      = 102
)

// illumos (usr/src/uts/common/sys/errno.h).
const (
	illMSGSIZE   = 97
	illPROTOTYPE = 98
	illOPNOTSUPP = 122
)
