localrules:
    index,


rule tables:
    """Write what was estimated as CSV."""
    input:
        data=rules.data.output.data,
        fits=fits,
        books=books("tables"),
    output:
        **tables_made_by("tables"),
        made=result("made/tables.json"),
    log:
        result("logs/tables.log"),
    resources:
        **needs(30),
    params:
        call=call("tables"),
    shell:
        STAGE


rule inference:
    """Write what is asked of every model: intervals, tests, measures, means, predictions, diagnosis."""
    input:
        data=rules.data.output.data,
        fits=fits,
        predictions=files_beside("inference"),
        books=books("inference"),
    output:
        **tables_made_by("inference"),
        made=result("made/inference.json"),
    log:
        result("logs/inference.log"),
    resources:
        **needs(120, megabytes=4000),
    params:
        call=call("inference"),
    shell:
        STAGE


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
        search=tables_made_by("search").values(),
        books=books("report"),
    output:
        report=result("report.html"),
        provenance=result("provenance.json"),
        made=result("made/report.json"),
    log:
        result("logs/report.log"),
    resources:
        **needs(30),
    params:
        call=call("report"),
    shell:
        STAGE


rule index:
    """Link the reports of all analyses."""
    input:
        reports=expand(rules.report.output.report, analysis=ANALYSES),
        provenance=expand(rules.report.output.provenance, analysis=ANALYSES),
        made=expand(rules.report.output.made, analysis=ANALYSES),
        books=f"{DUE}/{INDEX}",
    output:
        index=f"{RESULTS}/index.html",
        made=f"{RESULTS}/made/index.json",
    log:
        f"{RESULTS}/logs/index.log",
    threads: 1
    params:
        analyses=[analysis.path for analysis in ANALYSES.values()],
    shell:
        "mmfit index {params.analyses:q} --results {RESULTS:q} > {log:q} 2>&1"
