package sandbox

// For the benchmark of the bare kernel.
var (
	KernelArgs  = kernelArgs
	PinThread   = pinThread
	PreloadFile = preloadFile
)
