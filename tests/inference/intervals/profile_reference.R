# lme4's profile intervals (95%) of the models in profile_models.py, which writes their data.
# usage: python -m tests.inference.intervals.profile_models FOLDER
#        Rscript tests/inference/intervals/profile_reference.R FOLDER tests/inference/intervals/profile_reference.json
suppressPackageStartupMessages({ library(lme4); library(jsonlite) })
arguments <- commandArgs(TRUE)
control <- lmerControl(check.conv.singular = "ignore", calc.derivs = FALSE,
  optCtrl = list(xtol_abs = 1e-12, xtol_rel = 1e-12, ftol_abs = 1e-13, ftol_rel = 1e-15,
                 maxeval = 200000))
intervals <- function(m) {
  d <<- read.csv(file.path(arguments[1], paste0(m$data, ".csv")), stringsAsFactors = TRUE)
  f <<- as.formula(m$formula)
  fit <- if (is.null(m$weights)) lmer(f, d, REML = FALSE, control = control) else
    lmer(f, d, weights = w, REML = FALSE, control = control)
  ci <- try(suppressMessages(suppressWarnings(confint(fit, oldNames = FALSE))), silent = TRUE)
  if (inherits(ci, "try-error")) return(list(failed = as.character(ci)))
  list(parameter = rownames(ci), conf_low = unname(ci[, 1]), conf_high = unname(ci[, 2]))
}
models <- fromJSON(file.path(arguments[1], "models.json"), simplifyVector = FALSE)
results <- lapply(models, intervals)
names(results) <- vapply(models, function(m) m$name, "")
write_json(results, arguments[2], digits = NA, auto_unbox = TRUE, na = "null", pretty = TRUE)
