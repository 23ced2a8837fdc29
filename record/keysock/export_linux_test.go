package keysock

// ProcMeminfo is Meminfo on kernels that do not know SO_MEMINFO.
var ProcMeminfo = procMeminfo
