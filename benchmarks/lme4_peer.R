# lme4 as a benchmark peer: reads one command a line from standard input, answers with one line.
#   load PATH COLUMN,COLUMN,...    read a csv file; the named columns are factors
#   fit REML|ML FORMULA            fit with lme4's defaults; prints seconds and the criterion
suppressPackageStartupMessages(library(lme4))
input <- file("stdin", open = "r")
answer <- function(...) { cat(..., "\n"); flush(stdout()) }
answer("ready", as.character(packageVersion("lme4")), R.version$major, R.version$minor)
repeat {
  line <- readLines(input, n = 1)
  if (length(line) == 0) break
  words <- strsplit(line, " ")[[1]]
  if (words[1] == "load") {
    d <- read.csv(words[2], stringsAsFactors = TRUE)
    for (column in strsplit(words[3], ",")[[1]]) d[[column]] <- factor(d[[column]])
    answer("loaded", nrow(d))
  } else {
    f <- as.formula(paste(words[-(1:2)], collapse = " "))
    gc(FALSE)
    reml <- words[2] == "REML"
    seconds <- system.time(
      m <- suppressMessages(suppressWarnings(lmer(f, d, REML = reml)))
    )[["elapsed"]]
    answer(format(seconds, digits = 6), format(-2 * as.numeric(logLik(m)), digits = 15))
  }
}
