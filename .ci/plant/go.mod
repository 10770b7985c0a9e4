module plant

go 1.26.8
