# lme4 and lmerTest as a process that fits on request, by REML. A command is one line of words
# separated by tabs, the answer one line of key=value pairs; worker.py is the same for Python.
#   load FOLDER                      the data (tables.py says what the folder holds)
#   fit FORMULA                      formula to result, with the defaults of today's lme4
#   matrices FORMULA                 the fit alone, from a parsed formula
#   table FORMULA                    lmerTest's table of fixed effects, given the fit
#   many FORMULA RESPONSES OUTPUT    refit for each column of a file
#   default FORMULA REML             the criterion of a fit by REML (1) or ML (0); none if refused
#   tight FORMULA                    the criterion after a search with tolerances near rounding
#   at THETA                         the criterion of the last fit's model at another theta
#   collect                          clear away garbage, before a turn
#   reset, peak                      resident memory now; its peak since then
suppressPackageStartupMessages({ library(lme4); library(lmerTest) })
input <- file("stdin", open = "r")
digits <- function(x) if (is.character(x)) x else paste(sprintf("%.17g", x), collapse = ",")
answer <- function(...) {
  pairs <- list(...)
  cat(paste0(names(pairs), "=", vapply(pairs, digits, ""), collapse = "\t"), "\n", sep = "")
  flush(stdout())
}
quietly <- function(work) suppressMessages(suppressWarnings(work))
timed <- function(work) {
  cpu <- sum(proc.time()[1:2])
  start <- Sys.time()
  value <- quietly(work)
  list(value = value, seconds = as.numeric(Sys.time()) - as.numeric(start),
       cpu = sum(proc.time()[1:2]) - cpu)
}
read_column <- function(folder, name, kind, rows) {
  path <- file.path(folder, paste0(name, ".bin"))
  if (kind == "double") return(readBin(path, "double", rows, endian = "little"))
  structure(readBin(path, "integer", rows, endian = "little") + 1L,
            levels = readLines(file.path(folder, paste0(name, ".labels"))), class = "factor")
}
read_table <- function(folder) {
  columns <- read.table(file.path(folder, "columns.tsv"), header = TRUE, sep = "\t", quote = "",
                        stringsAsFactors = FALSE)
  parts <- Map(function(name, kind, rows) read_column(folder, name, kind, rows),
               columns$name, columns$kind, columns$rows)
  as.data.frame(parts)
}
criterion <- function(m) m@devcomp$cmp[["REML"]]
status <- function(field) {
  line <- grep(paste0("^", field, ":"), readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) / 1024
}
# From 1.1-38 on, lmer leaves the derivatives at the end out from 10,000 rows or 10 variance
# parameters on; an older one is told to, since nobody need pay for them.
derivatives <- function(f, d) nrow(d) < 1e4 && length(lFormula(f, d)$reTrms$lower) < 10
today <- function(f, d) lmerControl(calc.derivs = quietly(derivatives(f, d)))
prepared_fit <- function(parsed, control) {
  devfun <- do.call(mkLmerDevfun, parsed)
  optimum <- optimizeLmer(devfun, calc.derivs = control$calc.derivs)
  mkMerMod(environment(devfun), optimum, parsed$reTrms, fr = parsed$fr)
}
# Before 1.1-33, refit took whether a fit is by REML for the number of fixed effects, and so
# minimised another criterion; it is mended here as it has been there.
mended <- function(call) {
  if (!is.call(call)) return(call)
  if (identical(call[[1]], quote(mkRespMod)) && identical(call$REML, quote(isREML(object)))) {
    call$REML <- quote(object@resp$REML)
    return(call)
  }
  as.call(lapply(as.list(call), function(part) if (is.call(part)) mended(part) else part))
}
again <- getS3method("refit", "merMod")
if (packageVersion("lme4") < "1.1.33") body(again) <- mended(body(again))
refit_all <- function(m, responses) {
  vapply(seq_len(ncol(responses)), function(k) criterion(again(m, responses[, k])), 0)
}
read_responses <- function(path, rows) {
  matrix(readBin(path, "double", file.size(path) / 8, endian = "little"), rows)
}
tight <- lmerControl(optimizer = "nloptwrap", calc.derivs = FALSE, optCtrl = list(
  xtol_abs = 1e-12, ftol_abs = 1e-14, xtol_rel = 0, maxeval = 2000))
report <- function(t, control) {
  m <- t$value
  answer(seconds = t$seconds, cpu = t$cpu, objective = criterion(m),
         evaluations = m@optinfo$feval, theta = getME(m, "theta"),
         derivatives = as.numeric(control$calc.derivs))
}
session <- sessionInfo()
answer(versions = paste0("lme4 ", packageVersion("lme4"), ", lmerTest ",
  packageVersion("lmerTest"), " (R ", R.version$major, ".", R.version$minor,
  ", Matrix ", packageVersion("Matrix"), ", BLAS ", basename(dirname(session$BLAS)), "/",
  basename(session$BLAS), ", LAPACK ", basename(session$LAPACK), ")"))
repeat {
  line <- readLines(input, n = 1)
  if (length(line) == 0) break
  words <- strsplit(line, "\t")[[1]]
  command <- words[1]
  if (command %in% c("fit", "matrices", "table", "many", "default", "tight")) f <- as.formula(words[2])
  if (command == "collect") {
    gc(FALSE)
    answer(done = 1)
  } else if (command == "load") {
    d <- read_table(words[2])
    answer(rows = nrow(d))
  } else if (command == "fit") {
    control <- today(f, d)
    t <- timed(lme4::lmer(f, d, control = control))
    m <- t$value
    report(t, control)
  } else if (command == "matrices") {
    # Parsed anew each time: the fit changes the parsed terms in place.
    parsed <- quietly(lFormula(f, d))
    control <- today(f, d)
    t <- timed(prepared_fit(parsed, control))
    m <- t$value
    report(t, control)
  } else if (command == "table") {
    control <- today(f, d)
    t <- timed(lme4::lmer(f, d, control = control))
    m <- t$value
    s <- timed(coef(summary(as_lmerModLmerTest(m))))
    answer(seconds = s$seconds, cpu = s$cpu, fit_seconds = t$seconds, fit_cpu = t$cpu,
           objective = criterion(m), evaluations = m@optinfo$feval, df = s$value[, "df"])
  } else if (command == "many") {
    responses <- read_responses(words[3], nrow(d))
    m <- quietly(lme4::lmer(f, d))
    t <- timed(refit_all(m, responses))
    writeBin(t$value, words[4], endian = "little")
    answer(seconds = t$seconds, cpu = t$cpu)
  } else if (command == "default") {
    m <- quietly(try(lme4::lmer(f, d, REML = words[3] == "1"), silent = TRUE))
    if (inherits(m, "try-error")) answer(refused = 1)
    else answer(objective = -2 * as.numeric(logLik(m)))
  } else if (command == "tight") {
    first <- quietly(lme4::lmer(f, d))
    m <- quietly(lme4::lmer(f, d, start = getME(first, "theta"), control = tight))
    answer(objective = min(criterion(first), criterion(m)))
  } else if (command == "at") {
    # The criterion's function works on the fit's own storage, so it is the fit's last use.
    answer(objective = as.function(m)(as.numeric(strsplit(words[2], ",")[[1]])))
  } else if (command == "reset") {
    invisible(gc(FALSE))
    cat("5", file = "/proc/self/clear_refs")
    answer(level = status("VmRSS"))
  } else if (command == "peak") {
    answer(peak = status("VmHWM"))
  } else {
    stop("unknown command: ", command)
  }
}
