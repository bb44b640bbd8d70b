TABLES = (
    "models",
    "coefficients",
    "variance_components",
    "random_effects",
    "anova",
    "residual_quantiles",
    "fixed_correlation",
)

INFERENCE = (
    "intervals",
    "profiles",
    "term_tests",
    "random_term_tests",
    "measures",
    "means",
    "contrasts",
    "slopes",
    "influence",
    "diagnosis",
    "predictions",
    "inference_notes",
)


localrules:
    index,


def rows_to_predict(wildcards):
    return reads.prediction_files(ANALYSES[wildcards.analysis])


rule tables:
    """Write what was estimated as CSV."""
    input:
        data=rules.data.output.data,
        fits=fits,
    output:
        **{table: f"{RESULTS}/{{analysis}}/tables/{table}.csv" for table in TABLES},
    log:
        f"{RESULTS}/{{analysis}}/logs/tables.log",
    threads: 1
    resources:
        mem_mb=more_memory(2000),
        runtime=more_time(30),
    params:
        analysis=analysis_file,
        reads=lambda wildcards: reads.tables(ANALYSES[wildcards.analysis]),
        package=PACKAGE,
    shell:
        "mmfit tables {params.analysis:q} --results {RESULTS:q} > {log:q} 2>&1"


rule inference:
    """Write what is asked of every model: intervals, tests, measures, means, predictions, diagnosis."""
    input:
        data=rules.data.output.data,
        fits=fits,
        predictions=rows_to_predict,
    output:
        **{table: f"{RESULTS}/{{analysis}}/tables/{table}.csv" for table in INFERENCE},
    log:
        f"{RESULTS}/{{analysis}}/logs/inference.log",
    threads: 1
    resources:
        mem_mb=more_memory(4000),
        runtime=more_time(120),
    params:
        analysis=analysis_file,
        reads=lambda wildcards: reads.inference(ANALYSES[wildcards.analysis]),
        package=PACKAGE,
    shell:
        "mmfit inference {params.analysis:q} --results {RESULTS:q} > {log:q} 2>&1"


rule report:
    """Write the report and its provenance."""
    input:
        data=rules.data.output.data,
        design=rules.design.output.design,
        fits=fits,
        comparisons=rules.compare.output,
        selection=rules.select.output.selection,
        tables=rules.tables.output,
        inference=rules.inference.output,
        search=multiext(
            f"{RESULTS}/{{analysis}}/tables/", "search.csv", "stability.csv"
        ),
    output:
        report=f"{RESULTS}/{{analysis}}/report.html",
        provenance=f"{RESULTS}/{{analysis}}/provenance.json",
    log:
        f"{RESULTS}/{{analysis}}/logs/report.log",
    threads: 1
    resources:
        mem_mb=more_memory(2000),
        runtime=more_time(30),
    params:
        analysis=analysis_file,
        reads=lambda wildcards: reads.report(ANALYSES[wildcards.analysis]),
        package=PACKAGE,
        presentation=PRESENTATION,
    shell:
        "mmfit report {params.analysis:q} --results {RESULTS:q} > {log:q} 2>&1"


rule index:
    """Link the reports of all analyses."""
    input:
        reports=expand(rules.report.output.report, analysis=ANALYSES),
        provenance=expand(rules.report.output.provenance, analysis=ANALYSES),
        selections=expand(rules.select.output.selection, analysis=ANALYSES),
    output:
        f"{RESULTS}/index.html",
    log:
        f"{RESULTS}/logs/index.log",
    threads: 1
    params:
        analyses=[analysis.path for analysis in ANALYSES.values()],
        reads=reads.index(ANALYSES.values()),
        package=PACKAGE,
        presentation=PRESENTATION,
    shell:
        "mmfit index {params.analyses:q} --results {RESULTS:q} > {log:q} 2>&1"
