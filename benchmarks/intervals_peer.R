# lme4's intervals on request; a command is one line of words separated by tabs.
#   load FILE                  a csv file, the data of what follows
#   profile FORMULA            confint(method = "profile"), given the fit
#   bootstrap FORMULA COUNT    confint(method = "boot"), given the fit
suppressPackageStartupMessages(library(lme4))
input <- file("stdin", open = "r")
answer <- function(...) {
  pairs <- list(...)
  cat(paste0(names(pairs), "=", vapply(pairs, as.character, ""), collapse = "\t"), "\n", sep = "")
  flush(stdout())
}
quietly <- function(work) suppressMessages(suppressWarnings(work))
timed <- function(formula, ...) {
  f <<- as.formula(formula)
  fit <- quietly(lmer(f, d))
  invisible(gc())
  start <- Sys.time()
  quietly(confint(fit, oldNames = FALSE, ...))
  as.numeric(Sys.time()) - as.numeric(start)
}
answer(versions = paste("lme4", packageVersion("lme4")))
while (length(line <- readLines(input, n = 1)) > 0) {
  words <- strsplit(line, "\t", fixed = TRUE)[[1]]
  if (words[1] == "load") {
    d <- read.csv(words[2], stringsAsFactors = TRUE)
    answer(rows = nrow(d))
  } else if (words[1] == "profile") {
    answer(seconds = timed(words[2]))
  } else {
    answer(seconds = timed(words[2], method = "boot", nsim = as.integer(words[3]),
                           .progress = "none"))
  }
}
