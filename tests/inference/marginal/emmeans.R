# Marginal means, contrasts and slopes by emmeans, for the cases of emmeans_cases.json.
# usage (in this folder): Rscript emmeans.R        made with R 4.2.2, lmerTest 3.1-3, emmeans 1.8.4, pbkrtest 0.5.2
suppressPackageStartupMessages({library(lme4); library(lmerTest); library(emmeans); library(jsonlite)})
all_rows <- read.csv("emmeans_data.csv", stringsAsFactors=TRUE)
control <- lmerControl(optimizer="nloptwrap", calc.derivs=FALSE, check.conv.singular="ignore", check.rankX="silent.drop.cols",
  optCtrl=list(xtol_abs=1e-12, xtol_rel=1e-12, ftol_abs=1e-13, ftol_rel=1e-15, maxeval=200000))
or <- function(value, default) if (is.null(value)) default else value
one <- function(case) {
  # `lacking`: without the combination of a2 and hi
  d <- if (isTRUE(case$lacking)) all_rows[!(all_rows$a == "a2" & all_rows$b == "hi"), ] else all_rows
  assign("d", d, globalenv()); f <- as.formula(case$formula); assign("f", f, globalenv())
  args <- list(f, quote(d), control=control, contrasts=case$contrasts)
  for (k in c("weights", "offset")) if (!is.null(case[[k]])) args[[k]] <- as.name(case[[k]])
  m <- do.call(lmerTest::lmer, args)
  how <- list(m, as.formula(paste("~", case$spec)), lmer.df=or(case$df, "satterthwaite"))
  if (!is.null(case$at)) how$at <- lapply(case$at, unlist)
  level <- or(case$level, 0.95)
  if (!is.null(case$trend)) {
    # a short step, because emtrends takes a one-sided difference
    found <- do.call(emtrends, c(how, list(var=case$trend, delta.var=1e-6)))
    return(list(id=case$id, slopes=as.data.frame(summary(found, infer=c(TRUE, TRUE)))))
  }
  found <- do.call(emmeans, how)
  pairs <- summary(pairs(found, adjust=or(case$adjust, "tukey")), infer=c(TRUE, TRUE), level=level)
  list(id=case$id, means=as.data.frame(summary(found, level=level)), contrasts=as.data.frame(pairs))
}
cases <- fromJSON("emmeans_cases.json", simplifyVector=FALSE)
write_json(lapply(cases, one), "emmeans.json", digits=I(9), dataframe="columns", na="null", auto_unbox=TRUE)
