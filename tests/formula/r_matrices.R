# Freezes the matrices and names that R and lme4 make of formulas, as r_matrices.json beside this file.
# usage (in this folder): Rscript r_matrices.R
suppressPackageStartupMessages({library(lme4); library(jsonlite); library(splines)})
set.seed(20240229)
n <- 48
d <- data.frame(
  y=round(rnorm(n, 10, 3), 3), x=round(rnorm(n), 3), z=round(runif(n, 1, 9), 3),
  f=rep(c("a", "b", "c"), 16), g=rep(c("u", "v"), each=24), s=sample(c("F", "M"), n, TRUE),
  day=rep(c(0L, 2L, 5L, 10L), 12), dose=rep(c("low", "mid", "high"), each=16), flag=rep(c(TRUE, FALSE, FALSE), 16),
  region=rep(1:4, each=12), clinic=rep(rep(1:3, each=4), 4), doctor=sample(sprintf("d%d", 8:12), n, TRUE),
  weight=rep(c(1.5, 2, 10.25), 16), h=rep(c("p", "q", "r"), 16))
write.csv(d, "r_data.csv", row.names=FALSE, quote=FALSE)
d <- read.csv("r_data.csv", stringsAsFactors=TRUE)
# As mmfit sorts: by code point, whatever the locale.
for (name in c("f", "g", "s", "doctor", "h")) d[[name]] <- factor(d[[name]], levels=sort(unique(as.character(d[[name]])), method="radix"))
d$dose <- factor(d$dose, levels=c("low", "mid", "high"), ordered=TRUE)
new <- data.frame(x=c(-1.5, .25, 4), z=c(.5, 5, 12), f=factor(c("c", "a", "b")), day=c(10L, 0L, 2L))

fixed <- c("1", "x", "0 + x", "x - 1", "x - 1 + 1", "f", "0 + f", "f - 1", "0 + x + f", "f + g", "f * g", "f:g", "0 + f:g", "f + f:g",
  "g %in% f", "f + g %in% f", "f / g", "(f + g) / s", "f / g / s", "(f + g + s)^2", "(f + g + s)^2 - f:g", "f * g * s", "f * g - f",
  "x * f", "x:f", "f:x", "0 + f:x", "0 + x + x:f", "x + f:x:g", "x:z", "x * z * f", "s:f + x", "f:g + f", "x + z:x", "f:g:s", "x:z + f:x", "f:x:z + g:x", "x:z + f:x + g:f",
  "flag", "0 + flag", "flag:x", "flag * f", "dose", "0 + dose", "dose * x", "dose:f", "factor(day)", "factor(day) * f", "x * factor(day)",
  "I(x^2)", "x + I(x^2) + I(x**3)", "log(z)", "log(z + 1) + exp(-x)", "sqrt(z):f", "I(x/2) + I(x * 2) + I(-x) + I((x + 1) * 2)", "I(x > 0)",
  "I(x %in% c(1, 2)) + x", "I(day == 2 | day >= 10)", "I(!flag)", "I(z %% 2)", "I(1e5 * x)", "I(x^-1)", "ifelse(f == 'a', 1, 0)",
  "poly(x, 1)", "poly(x, 2)", "poly(x, 3, raw = TRUE)", "poly(x, 2, raw=T)", "poly(log(z), 2)", "f:poly(x, 2)", "f * poly(z, 2)", "poly(x, degree = 2)",
  "scale(x)", "scale(x, scale = FALSE)", "scale(x, center = FALSE)", "scale(z) * f", "I(scale(z)^2)", "scale(z, 2, 3)",
  "C(f, contr.sum)", "C(f, sum)", "C(f, helmert)", "C(f, contr.poly)", "C(f, contr.treatment, base = 2)", "C(f, contr.SAS) * g", "C(f, 'contr.sum'):x",
  "C(f, sum) * C(g, helmert)", "C(f, contr.treatment)", "C(f, treatment)", "C(f, SAS)", "C(f, contr.treatment(3, base = 3))", "relevel(f, ref = 'b')", "ordered(day)", "factor(day, levels = c(10, 5, 2, 0))", "factor(f, labels = c('A', 'B', 'C'))",
  "interaction(f, g)", "interaction(f, s, g)", "bs(z)", "bs(z, df = 6)", "bs(z, knots = c(3, 6), degree = 2)", "bs(z, 5, intercept = TRUE)",
  "ns(z)", "ns(z, 3)", "ns(z, knots = c(3, 6))", "ns(z, df = 4, intercept = TRUE)", "ns(z, 3, Boundary.knots = c(2, 8))", "bs(z, 4, Boundary.knots = c(0, 10)):g",
  "x + f + h", "f * h", "x + I(2 * x) + z", "f + x + I(x + z) + z", "weight + factor(weight)", "0 + f + h", "(x - 1) * z", "x - 0", "1 + 0 + x", "as.factor(region)")
fix <- function(text) {
  m <- model.matrix(as.formula(paste("~", text)), d)
  q <- qr(m, tol=1e-7, LAPACK=FALSE)
  kept <- if (q$rank == ncol(m)) seq_len(ncol(m)) else q$pivot[seq_len(q$rank)]
  labels <- attr(terms(as.formula(paste("~", text))), "term.labels")
  list(formula=text, names=colnames(m), assign=attr(m, "assign"), kept=kept - 1, labels=labels, matrix=unname(signif(m[, , drop=FALSE], 12)))
}
contrasted <- list(
  list("f", list(f="contr.sum")), list("f * g", list(f="contr.sum", g="contr.helmert")), list("f * x", list(f="contr.poly")), list("factor(day)", list("factor(day)"="contr.helmert")),
  list("dose", list(dose="contr.treatment")), list("0 + f + g", list(f="contr.sum", g="contr.sum")), list("f", list(f=matrix(c(1, -1, 0, 1, 1, -2), 3))))
con <- function(case) {
  m <- model.matrix(as.formula(paste("~", case[[1]])), d, contrasts.arg=case[[2]])
  plain <- lapply(case[[2]], function(v) if (is.matrix(v)) unname(v) else sub("contr.", "", v, fixed=TRUE))
  list(formula=case[[1]], contrasts=plain, names=colnames(m), matrix=unname(signif(m, 12)))
}
full <- lapply(c("f * g", "0 + f + g:x", "x * f + dose", "flag * f", "f * g * s"), function(text) {
  t <- terms(as.formula(paste("~", text))); v <- rownames(attr(t, "factors"))
  isf <- v[v %in% names(d) & sapply(v, function(k) is.factor(d[[k]]) || is.logical(d[[k]]))]
  d2 <- d; d2$flag <- factor(d2$flag)
  # every factor in every term by a column per level
  fac <- attr(t, "factors"); attr(t, "factors") <- structure(ifelse(fac > 0, 2L, 0L), dimnames=dimnames(fac))
  m <- model.matrix(t, d2, contrasts.arg=sapply(isf, function(k) contrasts(d2[[k]], contrasts=FALSE), simplify=FALSE))
  list(formula=text, names=colnames(m), assign=attr(m, "assign"), matrix=unname(m))
})
predicted <- lapply(c("poly(x, 2)", "scale(z)", "bs(z, df = 5)", "ns(z, 3)", "x * f", "C(f, contr.sum)", "poly(z, 2, raw = TRUE)", "bs(z, knots = c(3, 6), degree = 2)"), function(text) {
  t <- terms(model.frame(as.formula(paste("~", text)), d))
  m <- suppressWarnings(model.matrix(t, model.frame(t, new, xlev=list(f=levels(d$f)))))
  list(formula=text, matrix=unname(signif(m, 12)))
})
random <- c("(1 | region)", "(1 | region/clinic)", "(1 | region:clinic)", "(1 | clinic:region)", "(1 | f/g/s)", "(x | doctor)", "(x || doctor)", "(x || region/clinic)",
  "(0 + x | doctor)", "(x - 1 | doctor)", "(-1 + f | doctor)", "(f | doctor)", "(0 + f | region)", "(f || region)", "(f * x || region)", "(x * z || doctor)", "(0 + x || doctor)",
  "(f:x | region)", "(f:x || region)", "(I(x^2) + x | doctor)", "(log(z) | region)", "(poly(x, 2) | region)", "(dose | f)", "(flag | region)", "(flag || region)", "(g:s | f)", "(factor(day) | f)",
  "(1 | region) + (1 | doctor)", "(1 | f) + (1 | h) + (1 | region:clinic)", "(1 | region) + (0 + x | region) + (z | region)", "(1 | g) + (x || doctor) + (1 | s)", "(1 | weight)", "(1 | flag)",
  "(1 | dose)", "((1 | f) + (1 | g))", "(f | f)", "(region | region)", "(1 | region/clinic:s)", "(1 | f) + (1 | g) + (1 | s)", "(x | region/clinic)", "(scale(z) | f)", "(1 | doctor) + (1 | g:f)")
ran <- function(text) {
  options(warn=-1)
  form <- as.formula(paste("y ~ x +", text))
  r <- lFormula(form, d, control=lmerControl(check.nobs.vs.nRE="ignore", check.nobs.vs.nlev="ignore"))$reTrms
  asgn <- attr(r$flist, "assign")
  m <- suppressMessages(lmer(form, d, control=lmerControl(check.nobs.vs.nRE="ignore", check.nobs.vs.nlev="ignore", check.nobs.vs.rankZ="ignore", calc.derivs=FALSE, optCtrl=list(maxeval=1))))
  list(formula=text, groups=names(VarCorr(m)), terms=lapply(seq_along(r$cnms), function(i) {
    ff <- r$flist[[asgn[i]]]; z <- as.matrix(r$Ztlist[[i]]); q <- length(r$cnms[[i]])
    code <- as.integer(ff)
    model <- t(sapply(seq_len(nrow(d)), function(j) z[(code[j] - 1) * q + seq_len(q), j])); if (q == 1) model <- t(model)
    list(grouping=names(r$cnms)[i], effects=I(r$cnms[[i]]), levels=I(levels(ff)), codes=code - 1, model=unname(signif(model, 12)))
  }))
}
labels <- c(100000, 123456, 0.1, 1e-4, 0.00012, 1e15, 1234567890123, 1/3, 1e-5, 100, 250000, 0.1 + 0.2, -2.5, 1e22, 5e-324, 123456.789, 2/3 * 1e-7, 1e5 + 0.5, -1e5)
result <- list(r=R.version.string, lme4=as.character(packageVersion("lme4")), fixed=lapply(fixed, fix), contrasts=lapply(contrasted, con), full=full, predicted=predicted,
  random=lapply(random, ran), labels=list(values=labels, texts=as.character(labels)))
write_json(result, "r_matrices.json", digits=NA, auto_unbox=TRUE, matrix="rowmajor")
