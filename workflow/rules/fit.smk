rule fit:
    """Fit one candidate by REML and by ML, in one job: they share what costs most."""
    input:
        data=rules.data.output.data,
        books=books("fit", "model"),
    output:
        reml=result("fits/{model}.REML.json"),
        ml=result("fits/{model}.ML.json"),
        made=result("made/fit.{model}.json"),
    log:
        result("logs/fit.{model}.log"),
    resources:
        **needs(60),
    params:
        call=call("fit", "--model", "model"),
    shell:
        STAGE
