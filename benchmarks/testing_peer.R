# lme4, lmerTest and pbkrtest for testing.py: a command is one line, the answer the seconds taken.
#   load FILE                       a csv file
#   kenward-roger FORMULA           lmerTest's table of fixed effects by pbkrtest, given the fit
#   bootstrap NULL ALTERNATIVE N    N responses drawn from the null's fit, both models refitted
suppressPackageStartupMessages({ library(lme4); library(lmerTest); library(pbkrtest) })
input <- file("stdin", open = "r")
quietly <- function(work) suppressMessages(suppressWarnings(work))
seconds <- function(work) {
  gc(FALSE)
  start <- Sys.time()
  quietly(work)
  as.numeric(Sys.time()) - as.numeric(start)
}
fitted_by <- function(text) quietly(lme4::lmer(as.formula(text), d))
bootstrap <- function(null, alternative, count) {
  drawn <- simulate(null, count, seed = 1)
  vapply(drawn, function(y) {
    as.numeric(2 * (logLik(refit(alternative, y)) - logLik(refit(null, y))))
  }, 0)
}
cat(sprintf("versions=lme4 %s, lmerTest %s, pbkrtest %s (%s)\n", packageVersion("lme4"),
            packageVersion("lmerTest"), packageVersion("pbkrtest"), R.version.string))
repeat {
  line <- readLines(input, n = 1)
  if (length(line) == 0) break
  words <- strsplit(line, "\t")[[1]]
  taken <- if (words[1] == "load") {
    d <- read.csv(words[2])
    0
  } else if (words[1] == "kenward-roger") {
    m <- as_lmerModLmerTest(fitted_by(words[2]))
    seconds(coef(summary(m, ddf = "Kenward-Roger")))
  } else if (words[1] == "bootstrap") {
    null <- fitted_by(words[2])
    alternative <- fitted_by(words[3])
    seconds(bootstrap(null, alternative, as.integer(words[4])))
  } else {
    stop("unknown command: ", words[1])
  }
  cat(sprintf("seconds=%.17g\n", taken))
  flush(stdout())
}
