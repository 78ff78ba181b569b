FROM scratch
ENV a='two words' b='no $variable' c='back\slash\\' d='a "quote"' e='#'
