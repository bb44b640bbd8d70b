# Two rules, because the rows depend on which variables the models use, but the diagnosis on how each
# model groups them: a model that only groups otherwise must not refit the others.
rule data:
    """Read or simulate the data and fix the rows for all candidates."""
    input:
        data=files_beside("data"),
        books=books("data"),
    output:
        data=result("data.parquet"),
        made=result("made/data.json"),
    log:
        result("logs/data.log"),
    resources:
        **needs(30),
    params:
        call=call("data"),
    shell:
        STAGE


rule design:
    """Diagnose how the grouping factors of the candidates lie to each other."""
    input:
        data=rules.data.output.data,
        books=books("design"),
    output:
        design=result("design.json"),
        made=result("made/design.json"),
    log:
        result("logs/design.log"),
    resources:
        **needs(30),
    params:
        call=call("design"),
    shell:
        STAGE
