package recall

import (
	"slices"
)

// A Region is where the app's SDKAppID was created. It decides the domain
// that the API answers on: the service refuses calls to another region's
// domain with [CodeWrongRegion], and this client never tries one.
type Region string

// The regions of the recall page, each with one domain.
const (
	RegionChina         Region = "china"
	RegionSingapore     Region = "singapore"
	RegionSeoul         Region = "seoul"
	RegionTokyo         Region = "tokyo"
	RegionFrankfurt     Region = "frankfurt"
	RegionSiliconValley Region = "silicon-valley"
	RegionJakarta       Region = "jakarta"
)

// Source: https://www.tencentcloud.com/document/product/1047/34965, request parameters.
var domains = map[Region]string{
	RegionChina:         "console.tim.qq.com",
	RegionSingapore:     "adminapisgp.im.qcloud.com",
	RegionSeoul:         "adminapikr.im.qcloud.com",
	RegionTokyo:         "adminapijpn.im.qcloud.com",
	RegionFrankfurt:     "adminapiger.im.qcloud.com",
	RegionSiliconValley: "adminapiusa.im.qcloud.com",
	RegionJakarta:       "adminapiidn.im.qcloud.com",
}

// Domain returns the host name of the region's API, and false for a region
// that is none of [Regions].
func (r Region) Domain() (string, bool) {
	d, ok := domains[r]
	return d, ok
}

// Regions returns every region, in the order of the recall page.
func Regions() []Region {
	return slices.Clone(regions)
}

var regions = []Region{RegionChina, RegionSingapore, RegionSeoul, RegionTokyo, RegionFrankfurt, RegionSiliconValley,
	RegionJakarta}
